package installer

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/eastwest-mesh/eastwest/installer/apply"
	"github.com/eastwest-mesh/eastwest/installer/peer"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
)

// link is the work on one ordered pair of members, whoever reads in the consumer.
type link struct {
	in                 *Installer
	consumer, producer *site
	account            peer.Account
	// current is the credential that is there already, if it is ours.
	current *currentRemote
	// life bounds its token; zero: it does not expire.
	life time.Duration
	// foreign is a working credential of somebody else's, left as it is.
	foreign bool
	address peer.Address
	report  LinkReport
	// written is true where the credential was, or would be, written.
	written bool
	err     error
}

// currentRemote is a credential of ours as found.
type currentRemote struct {
	kubeconfig []byte
	address    peer.Address
	expiry     time.Time
}

// needsAddress reports whether a credential is about to be written whose API
// address is not proved yet.
func (l *link) needsAddress() bool {
	return !l.foreign && l.address.Server == ""
}

// run does the writing of a link, unless something is in its way already.
func (l *link) run(ctx context.Context, write func(context.Context) error) {
	if l.err != nil {
		return
	}
	bounded, cancel := context.WithTimeout(ctx, l.in.options.StepTimeout)
	defer cancel()
	if err := write(bounded); err != nil {
		l.err = located(ctx, err, l.consumer.name())
	}
}

// credential makes the account on the producer and reads its token. ok is false
// in a dry run before there is one.
func (l *link) credential(ctx context.Context) (token peer.Token, ok bool, err error) {
	objects, err := l.account.Objects()
	if err != nil {
		return peer.Token{}, false, err
	}
	if _, err := l.in.applySet(ctx, l.producer, apply.Set{Name: l.account.Set(), Objects: objects}); err != nil {
		return peer.Token{}, false, err
	}
	return l.token(ctx)
}

// token is the account's token: the one in use where it lives long enough, else
// a new one. ok is false in a dry run before there is any.
func (l *link) token(ctx context.Context) (token peer.Token, ok bool, err error) {
	kube := l.producer.member.Kube
	life := l.life
	switch {
	case life == 0 && l.in.options.DryRun:
		return peer.PeekToken(ctx, kube, l.account)
	case life == 0:
		token, err = peer.ReadToken(ctx, kube, l.account)
		return token, true, err
	case l.current != nil && time.Until(l.current.expiry) > life*2/5:
		parsed, err := kubeconfig.Parse(l.current.kubeconfig, "", kubeconfig.Agent())
		if err != nil {
			return peer.Token{}, false, err
		}
		return peer.Token{Kind: peer.Bounded, Expiry: l.current.expiry, Value: parsed.Config.BearerToken}, true, nil
	case l.in.options.DryRun:
		return peer.Token{}, false, nil
	}
	token, err = peer.MintToken(ctx, kube, l.account, life)
	return token, true, err
}

// kubeconfig is the credential as a file, under a name for the producer; the
// report tells of it.
func (l *link) kubeconfig(name string, token peer.Token) ([]byte, error) {
	content, err := kubeconfig.Remote{
		ClusterID: name, Server: l.address.Server, CA: l.address.CA, TLSServerName: l.address.TLSServerName, Token: token.Value,
	}.Encode()
	if err != nil {
		return nil, err
	}
	l.report.Server, l.report.Token, l.report.Hash = l.address.Server, string(token.Kind), peer.Hash(content)
	if !token.Expiry.IsZero() {
		l.report.Expiry = token.Expiry.UTC().Format(time.RFC3339)
	}
	return content, nil
}

// keep takes over the address of our own credential unless another is asked for.
func (l *link) keep(parsed *kubeconfig.Cluster, content []byte, annotations map[string]string) {
	if wanted := l.producer.spec.Server; wanted != "" && wanted != parsed.Server {
		return
	}
	l.address = peer.Address{Server: parsed.Server, CA: parsed.CA, TLSServerName: parsed.TLSServerName, Source: "remote secret"}
	expiry, _ := time.Parse(time.RFC3339, annotations[peer.TokenExpiryAnnotation])
	l.current = &currentRemote{kubeconfig: content, address: l.address, expiry: expiry}
}

// credentialClient connects with a credential, from here and on the address we
// know. The error says why it does not lead into the producer.
func credentialClient(ctx context.Context, found *kubeconfig.Cluster, producer *site) (kubernetes.Interface, error) {
	known := producer.member.Config
	test := rest.AnonymousClientConfig(known)
	test.UserAgent, test.Timeout, test.Proxy = known.UserAgent, known.Timeout, known.Proxy
	test.BearerToken = found.Config.BearerToken
	test.CertData, test.KeyData = found.Config.CertData, found.Config.KeyData
	client, err := kubernetes.NewForConfig(test)
	if err != nil {
		return nil, err
	}
	namespace, err := client.CoreV1().Namespaces().Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("the API server of %s does not accept it: %w", producer.name(), err)
	}
	if namespace.UID != producer.facts.UID {
		return nil, fmt.Errorf("it leads to another cluster")
	}
	return client, nil
}
