package kubeconfig

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// credential checks how the user authenticates and puts it into out.
func (r resolver) credential(cluster clusterEntry, user userEntry, out *Cluster) error {
	if err := refusedKinds(user); err != nil {
		return err
	}
	if user.Exec != nil {
		if err := r.exec(cluster, user, out); err != nil {
			return err
		}
	}
	if err := r.token(user, out); err != nil {
		return err
	}
	if err := r.clientCertificate(user, out); err != nil {
		return err
	}
	c := out.Config
	if c.BearerToken == "" && len(c.CertData) == 0 && c.ExecProvider == nil {
		return reject(CodeToken, "the user has no token, client certificate or credential plugin").
			WithFix("log in to the cluster again, or give the user a token")
	}
	return nil
}

// refusedKinds turns down ways to authenticate that nobody may use: passwords
// are not accepted by any supported API server, impersonation hides who acts,
// and auth-provider was replaced by exec.
func refusedKinds(user userEntry) error {
	kind := ""
	switch {
	case user.Username != "" || user.Password != "":
		kind = "a user name and password"
	case user.Impersonate != "" || user.ImpersonateUID != "" ||
		len(user.ImpersonateGroups) > 0 || len(user.ImpersonateUserExtra) > 0:
		kind = "impersonation"
	case user.AuthProvider != nil:
		kind = "an auth-provider"
	default:
		return nil
	}
	return reject(CodeAuthKind, "the user authenticates by %s", kind).
		WithFix("use a token, a client certificate or, on the command line, an exec plugin")
}

// token checks an inline token, or one from a file, which the transport reads
// again from time to time.
func (r resolver) token(user userEntry, out *Cluster) error {
	token := user.Token
	if user.TokenFile != "" {
		if !r.policy.Files {
			return reject(CodePath, "tokenFile is a path, and no file is read for a kubeconfig from a Secret").
				WithFix("write the token inline")
		}
		data, err := r.file("tokenFile", user.TokenFile, user.dir)
		if err != nil {
			return err
		}
		if token = strings.TrimSpace(string(data)); token == "" {
			return reject(CodeToken, "the token file is empty")
		}
		out.Config.BearerTokenFile = absolute(user.TokenFile, user.dir)
	}
	if token == "" {
		return nil
	}
	if err := CheckToken(token, r.now); err != nil {
		return err
	}
	out.Config.BearerToken = token
	return nil
}

// CheckToken rejects a bearer token that no server can accept: characters that
// cannot stand in a header, or a JWT that has expired at now. The token is never
// part of the error.
func CheckToken(token string, now time.Time) error {
	if token == "" {
		return reject(CodeToken, "the token is empty")
	}
	if i := strings.IndexFunc(token, func(c rune) bool { return c <= ' ' || c > '~' }); i >= 0 {
		return reject(CodeToken, "the token has a space, line break or other character that cannot be sent, at position %d of %d", i+1, len(token)).
			WithFix("write the token as one line without quotes or spaces")
	}
	if expiry, ok := Expiry(token); ok && !now.Before(expiry) {
		return reject(CodeToken, "the token expired at %s", expiry.UTC().Format(time.RFC3339)).
			WithFix("log in again, or make a new token")
	}
	return nil
}

// Expiry is the time a token says it ends at. ok is false for one that is no
// JWT or names no such time.
func Expiry(token string) (expiry time.Time, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return time.Time{}, false
	}
	var claims struct {
		Expiry *float64 `json:"exp"`
	}
	const year9999 = 253402300799
	if json.Unmarshal(payload, &claims) != nil || claims.Expiry == nil || *claims.Expiry > year9999 {
		return time.Time{}, false
	}
	return time.Unix(int64(max(*claims.Expiry, 0)), 0), true
}

// clientCertificate checks that certificate and key belong together and are
// valid now.
func (r resolver) clientCertificate(user userEntry, out *Cluster) error {
	cert, err := r.data("client-certificate", user.ClientCertificateData, user.ClientCertificate, user.dir)
	if err != nil {
		return err
	}
	key, err := r.data("client-key", user.ClientKeyData, user.ClientKey, user.dir)
	if err != nil {
		return err
	}
	if len(cert) == 0 && len(key) == 0 {
		return nil
	}
	if len(cert) == 0 || len(key) == 0 {
		return reject(CodeInvalid, "client-certificate and client-key must be given together")
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return reject(CodeInvalid, "client-certificate and client-key are not PEM or do not belong together")
	}
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return reject(CodeInvalid, "client-certificate cannot be parsed")
	}
	if r.now.After(leaf.NotAfter) {
		return reject(CodeInvalid, "the client certificate expired on %s", leaf.NotAfter.UTC().Format(time.DateOnly)).
			WithFix("renew the kubeconfig of this cluster")
	}
	out.Config.CertData, out.Config.KeyData = cert, key
	return nil
}
