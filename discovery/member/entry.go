package member

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/eastwest-mesh/eastwest/api/v1alpha1"
	"github.com/eastwest-mesh/eastwest/discovery/model"
	"github.com/eastwest-mesh/eastwest/internal/identity"
	"github.com/eastwest-mesh/eastwest/internal/kubeconfig"
	"github.com/eastwest-mesh/eastwest/internal/problem"
)

// The two files of an entry, behind the member's name.
const (
	kubeconfigSuffix = v1alpha1.KubeconfigSuffix
	recordSuffix     = v1alpha1.RecordSuffix
)

// bundle is a Secret or a folder: files by name.
type bundle struct {
	origin string
	files  map[string][]byte
	// broken are files that could not be read, with the reason.
	broken map[string]string
}

// entry is what a bundle says of one member.
type entry struct {
	name               model.MemberName
	origin             string
	kubeconfig, record []byte
	// gateways is nil where there is no such file.
	gateways []byte
	// broken is why a file of it could not be read.
	broken string
	digest [sha256.Size]byte
}

// entries splits a bundle, in the order of names. Files of other names are none
// of our business.
func (b bundle) entries() []entry {
	names := map[string]bool{}
	for _, files := range []map[string]string{keys(b.files), b.broken} {
		for file := range files {
			if name, found := memberOf(file); found {
				names[name] = true
			}
		}
	}
	var all []entry
	for _, name := range slices.Sorted(maps.Keys(names)) {
		one := entry{
			name: model.MemberName(name), origin: b.origin,
			kubeconfig: b.files[name+kubeconfigSuffix], record: b.files[name+recordSuffix],
			gateways: b.files[name+v1alpha1.GatewaysSuffix],
		}
		for _, file := range []string{name + kubeconfigSuffix, name + recordSuffix} {
			if reason, found := b.broken[file]; found {
				one.broken = fmt.Sprintf("%s %s", quote(file), reason)
			}
		}
		sum := sha256.New()
		fmt.Fprintf(sum, "%d %d ", len(one.kubeconfig), len(one.record))
		sum.Write(one.kubeconfig)
		sum.Write(one.record)
		sum.Write(one.gateways)
		sum.Sum(one.digest[:0])
		all = append(all, one)
	}
	return all
}

func keys(files map[string][]byte) map[string]string {
	names := map[string]string{}
	for file := range files {
		names[file] = ""
	}
	return names
}

func memberOf(file string) (string, bool) {
	for _, suffix := range []string{kubeconfigSuffix, recordSuffix} {
		if name, found := strings.CutSuffix(file, suffix); found && name != "" {
			return name, true
		}
	}
	return "", false
}

// parse judges an entry on its own, without the other members.
func (e entry) parse(policy kubeconfig.Policy) (Member, *Problem) {
	if identity.CheckName(string(e.name)) != nil {
		return Member{}, e.problem(ReasonRecord, "the key is not the name of a member")
	}
	switch {
	case e.broken != "":
		return Member{}, e.problem(ReasonUnreadable, e.broken)
	case len(e.kubeconfig) == 0:
		return Member{}, e.problem(ReasonIncomplete, "there is no "+string(e.name)+kubeconfigSuffix+" beside its record")
	case len(e.record) == 0:
		return Member{}, e.problem(ReasonIncomplete, "there is no "+string(e.name)+recordSuffix+" beside its kubeconfig")
	}
	record, err := decodeRecord(e.record)
	if err != nil {
		return Member{}, e.problem(ReasonRecord, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	if record.Name != string(e.name) {
		return Member{}, e.problem(ReasonRecord, "its record names another member, "+quote(record.Name))
	}
	cluster, err := kubeconfig.Parse(e.kubeconfig, "", policy)
	if err != nil {
		var rejected *problem.Error
		if errors.As(err, &rejected) {
			return Member{}, e.problem(rejected.Code, rejected.Error())
		}
		return Member{}, e.problem(kubeconfig.CodeInvalid, "the kubeconfig cannot be read")
	}
	expires, _ := kubeconfig.Expiry(cluster.Config.BearerToken)
	return Member{Record: record, Config: cluster.Config, Expires: expires, Origin: e.origin, Gateways: e.gateways}, nil
}

func (e entry) problem(reason, message string) *Problem {
	return &Problem{Member: e.name, Origin: e.origin, Reason: reason, Message: message}
}
