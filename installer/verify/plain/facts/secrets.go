package facts

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
)

// Endings of the keys in a Secret of records.
const (
	kubeconfigKey = ".kubeconfig"
	recordKey     = ".member.yaml"
)

func (r Reader) readRecords(ctx context.Context, c *Cluster) error {
	list, err := r.Kube.CoreV1().Secrets(Namespace).List(ctx, metav1.ListOptions{LabelSelector: v1alpha1.LabelMember + "=true"})
	if err != nil {
		return err
	}
	for i := range list.Items {
		c.Records = append(c.Records, recordsOf(&list.Items[i])...)
	}
	slices.SortFunc(c.Records, func(a, b Record) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// recordsOf reads what a Secret says of members: it is of any that has one of the
// two keys.
func recordsOf(secret *corev1.Secret) []Record {
	named := map[string]bool{}
	var all []Record
	for key := range secret.Data {
		name, found := strings.CutSuffix(key, recordKey)
		if !found {
			name, found = strings.CutSuffix(key, kubeconfigKey)
		}
		if found && !named[name] {
			named[name] = true
			one := Record{Secret: Object{secret.Namespace, secret.Name}, Name: name}
			one.read(secret)
			all = append(all, one)
		}
	}
	return all
}

func (r *Record) read(secret *corev1.Secret) {
	content, found := secret.Data[r.Name+recordKey]
	if !found {
		r.Invalid = "it has no key " + r.Name + recordKey
		return
	}
	var record v1alpha1.MemberRecord
	if err := yaml.UnmarshalStrict(content, &record); err != nil {
		r.Invalid = err.Error()
		return
	}
	r.Advertised = record.Advertised
	if content, found = secret.Data[r.Name+kubeconfigKey]; !found {
		r.Invalid = "it has no key " + r.Name + kubeconfigKey
		return
	}
	parsed, err := kubeconfig.Parse(content, "", kubeconfig.Agent())
	if err != nil {
		r.Invalid = err.Error()
		return
	}
	r.Server, r.Token = parsed.Server, parsed.Config.BearerToken
}

// readAuthority takes the certificates out of the CA's Secret and leaves its key.
func (r Reader) readAuthority(ctx context.Context, c *Cluster) error {
	secret, err := r.Kube.CoreV1().Secrets(Namespace).Get(ctx, AuthorityCA, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Authority.Found = true
	c.Authority.Roots = certificates(secret.Data["root-cert.pem"])
	if own := certificates(secret.Data["ca-cert.pem"]); len(own) > 0 {
		c.Authority.Expiry = own[0].NotAfter
	}
	return nil
}

// certificates are those of a PEM file that can be read.
func certificates(data []byte) []*x509.Certificate {
	var all []*x509.Certificate
	for {
		var block *pem.Block
		block, data = pem.Decode(data)
		if block == nil {
			return all
		}
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			all = append(all, cert)
		}
	}
}
