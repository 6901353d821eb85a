package kubeconfig

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// checkServer requires an https URL of a host with an optional port and path.
// The value is not echoed: it may hold a password in the wrong place.
func checkServer(server string) error {
	if server == "" {
		return reject(CodeInvalid, "the cluster has no server")
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return reject(CodeInvalid, "server is not a URL").WithFix("write https://HOST:PORT")
	}
	switch {
	case u.User != nil:
		return reject(CodeInvalid, "server holds a user name or password").WithFix("write https://HOST:PORT")
	case u.Scheme == "http":
		return reject(CodeInsecure, "server is a plain http URL").WithFix("use the https address of the API server")
	case u.Scheme != "https":
		return reject(CodeInvalid, "server is not an https URL").WithFix("write https://HOST:PORT")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return reject(CodeInvalid, "server has a query or a fragment").WithFix("write https://HOST:PORT")
	}
	if !validHost(u.Hostname()) {
		return reject(CodeInvalid, "the host of server is neither an IP address without zone nor a DNS name")
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return reject(CodeInvalid, "the port of server is not between 1 and 65535")
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return reject(CodeInvalid, "server has a colon without a port")
	}
	return nil
}

// validHost accepts IP addresses and DNS names, not the old forms of IPv4
// addresses such as 127.1 that resolvers take for one.
func validHost(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Zone() == ""
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	return len(validation.IsDNS1123Subdomain(name)) == 0 && !endsInNumber(name)
}

// endsInNumber reports whether the last label of a name is a number, decimal or
// hexadecimal, which makes it an IPv4 address to resolvers.
func endsInNumber(name string) bool {
	last := name[strings.LastIndexByte(name, '.')+1:]
	_, err := strconv.ParseUint(last, 10, 64)
	return err == nil || strings.HasPrefix(last, "0x")
}

// IsLocal reports whether the server URL leads to the machine that uses it:
// loopback, unspecified or localhost. Such an address is normal in the
// operator's own kubeconfig and useless in a remote secret.
func IsLocal(server string) bool {
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		return false
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsLoopback() || addr.IsUnspecified()
	}
	first, _, _ := strings.Cut(host, ".")
	return first == "localhost" || first == "ip6-localhost" || first == "ip6-loopback" ||
		strings.HasSuffix(host, ".localhost")
}
