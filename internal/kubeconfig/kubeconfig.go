// Package kubeconfig is the one strict loader for every kubeconfig that
// eastwest reads: the operator's on the command line and the remote secrets
// that an agent finds in its cluster. It owns what is accepted and why
// something is not, and the form in which a remote secret's kubeconfig is
// written. Everything is judged before a cluster is contacted.
//
// It must not know what the connection is for: no client is made here, no
// object is read, and no process is started. No value of a secret field ever
// appears in an error.
package kubeconfig

import "k8s.io/client-go/rest"

// Codes of the problems this package returns. They are part of the interface:
// scripts branch on them and the agent uses them as condition reasons.
const (
	// CodeInvalid is a file or an entry that is no usable kubeconfig.
	CodeInvalid = "KubeconfigInvalid"
	// CodeAmbiguous is a kubeconfig with several contexts and none selected.
	CodeAmbiguous = "AmbiguousContext"
	// CodeExec is a credential plugin where none may be started.
	CodeExec = "KubeconfigExec"
	// CodePath is a file reference that may not or cannot be followed.
	CodePath = "KubeconfigPath"
	// CodeInsecure is a connection without verified TLS.
	CodeInsecure = "KubeconfigInsecure"
	// CodeProxy is a proxy that may not be used.
	CodeProxy = "KubeconfigProxy"
	// CodeAuthKind is a way to authenticate that is never accepted.
	CodeAuthKind = "KubeconfigAuthKind"
	// CodeCA is a missing or unusable certificate authority.
	CodeCA = "KubeconfigCA"
	// CodeToken is a bearer token that cannot be accepted by any server.
	CodeToken = "KubeconfigToken"
)

// Policy says what a kubeconfig may ask of the process that reads it. The zero
// value is the strictest: inline data only.
type Policy struct {
	// Exec allows a user to be an exec credential plugin.
	Exec bool
	// Files allows certificates, keys and tokens to be paths of local files.
	Files bool
	// AnyProxy allows every proxy-url.
	AnyProxy bool
	// Proxies are the proxy-url values allowed where AnyProxy is false. Scheme,
	// host and port must be equal, and no user name may be in it.
	Proxies []string
}

// CommandLine is the policy for the operator's own kubeconfigs. They may name
// files and a proxy, and a credential plugin unless execAllowed is false.
func CommandLine(execAllowed bool) Policy {
	return Policy{Exec: execAllowed, Files: true, AnyProxy: true}
}

// Agent is the policy for kubeconfigs found in Secrets: nothing but inline
// data, and of proxies those on the list only.
func Agent(proxies ...string) Policy { return Policy{Proxies: proxies} }

// Cluster is one context of a kubeconfig, checked and ready to connect with.
type Cluster struct {
	// Config is complete but for UserAgent, QPS and timeouts.
	Config *rest.Config
	// Context is the name of the selected context; Namespace its default
	// namespace, which may be empty.
	Context, Namespace string
	// Origin is the file it came from, or empty.
	Origin string
	// Server is the URL of the API server as written in the kubeconfig.
	Server string
	// CA holds the accepted certificate authorities, as PEM.
	CA []byte
	// TLSServerName is the name expected in the server's certificate, if it is
	// not that of Server.
	TLSServerName string
	// ExecCommand is the credential plugin that will be started on first use, or
	// empty. The caller announces it.
	ExecCommand string
	// ProxyURL is the proxy in use, without its password, or empty. It is never
	// to be written anywhere.
	ProxyURL string
}

// UsesExec reports whether a credential plugin is started on first use.
func (c *Cluster) UsesExec() bool { return c.ExecCommand != "" }

// UsesProxy reports whether the API server is reached through a proxy.
func (c *Cluster) UsesProxy() bool { return c.ProxyURL != "" }
