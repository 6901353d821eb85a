package kubeconfig

import (
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"
)

// resolver checks the two halves of a context, cluster and user, against a
// policy at one moment, and turns them into a connection.
type resolver struct {
	policy Policy
	now    time.Time
}

func (r resolver) resolve(cluster clusterEntry, user userEntry) (*Cluster, error) {
	out := &Cluster{Config: &rest.Config{}}
	if err := r.server(cluster, out); err != nil {
		return nil, err
	}
	if err := r.authority(cluster, out); err != nil {
		return nil, err
	}
	if err := r.proxy(cluster, out); err != nil {
		return nil, err
	}
	if err := r.credential(cluster, user, out); err != nil {
		return nil, err
	}
	return out, nil
}

// server checks where the connection goes and how it is verified.
func (r resolver) server(cluster clusterEntry, out *Cluster) error {
	if cluster.InsecureSkipTLSVerify {
		return reject(CodeInsecure, "insecure-skip-tls-verify is set").
			WithFix("remove it and give certificate-authority-data; there is no override")
	}
	if err := checkServer(cluster.Server); err != nil {
		return err
	}
	name := cluster.TLSServerName
	if name != "" && (len(validation.IsDNS1123Subdomain(name)) > 0 || endsInNumber(name)) {
		return reject(CodeInvalid, "tls-server-name is not a DNS name")
	}
	out.Server, out.TLSServerName = cluster.Server, name
	out.Config.Host = cluster.Server
	out.Config.ServerName = name
	out.Config.DisableCompression = cluster.DisableCompression
	return nil
}

// authority checks the certificate authority. It is required: system roots are
// never used, because whoever holds a public certificate for a name could then
// stand between.
func (r resolver) authority(cluster clusterEntry, out *Cluster) error {
	data, err := r.data("certificate-authority", cluster.CertificateAuthorityData, cluster.CertificateAuthority, cluster.dir)
	if err != nil {
		return err
	}
	if out.CA, err = usableCAs(data, r.now); err != nil {
		return err
	}
	out.Config.CAData = out.CA
	return nil
}

// proxy accepts a proxy where the policy does.
func (r resolver) proxy(cluster clusterEntry, out *Cluster) error {
	if cluster.ProxyURL == "" {
		return nil
	}
	proxy, err := url.Parse(cluster.ProxyURL)
	if err != nil || proxy.Hostname() == "" || !slices.Contains([]string{"http", "https", "socks5"}, proxy.Scheme) {
		return reject(CodeProxy, "proxy-url is not an http, https or socks5 URL")
	}
	if !r.policy.AnyProxy && !r.listed(proxy) {
		return reject(CodeProxy, "proxy-url is not on the list of allowed proxies").
			WithFix("write the remote secret without proxy-url, or allow the proxy in the agent's configuration")
	}
	out.ProxyURL = proxy.Redacted()
	out.Config.Proxy = http.ProxyURL(proxy)
	return nil
}

// listed reports whether proxy is one of the policy's.
func (r resolver) listed(proxy *url.URL) bool {
	if proxy.User != nil {
		return false
	}
	return slices.ContainsFunc(r.policy.Proxies, func(allowed string) bool {
		one, err := url.Parse(allowed)
		return err == nil && one.Scheme == proxy.Scheme && strings.EqualFold(one.Host, proxy.Host)
	})
}

// data returns inline data or the content of the file that stands for it.
func (r resolver) data(name string, inline []byte, path, dir string) ([]byte, error) {
	switch {
	case path == "":
		return inline, nil
	case !r.policy.Files:
		return nil, reject(CodePath, "%s is a path, and no file is read for a kubeconfig from a Secret", name).
			WithFix("write it inline as %s-data", name)
	case len(inline) > 0:
		return nil, reject(CodeInvalid, "%s and %s-data are both set", name, name)
	}
	return r.file(name, path, dir)
}

// file reads a file that the kubeconfig names, relative to the kubeconfig.
func (r resolver) file(name, path, dir string) ([]byte, error) {
	path = absolute(path, dir)
	data, err := readRegular(path)
	if err != nil {
		return nil, reject(CodePath, "%s %s %v", name, shown(path), err)
	}
	return data, nil
}

// absolute resolves a path of a kubeconfig against its folder.
func absolute(path, dir string) string {
	if filepath.IsAbs(path) || dir == "" {
		return path
	}
	return filepath.Join(dir, path)
}
