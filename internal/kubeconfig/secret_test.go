package kubeconfig

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/internal/problem"
)

const marker = "S3CR3Tmarker"

// secretUsers hold the marker in every field that can carry a secret, whole or
// as a part of something broken.
func secretUsers(t *testing.T) map[string]map[string]any {
	t.Helper()
	client := issue(t, leaf)
	marked := base64.StdEncoding.EncodeToString([]byte("-----BEGIN PRIVATE KEY-----\n" + marker + "\n-----END PRIVATE KEY-----\n"))
	return map[string]map[string]any{
		"token":             {"token": marker},
		"token, broken":     {"token": marker + "\n"},
		"token, expired":    {"token": jwt(t, time.Unix(1, 0)) + marker},
		"token, list":       {"token": []string{marker}},
		"token, map":        {"token": map[string]any{marker: marker}},
		"password":          {"username": marker, "password": marker},
		"key":               {"client-certificate-data": client.cert64(), "client-key-data": marked},
		"key, not base64":   {"client-certificate-data": client.cert64(), "client-key-data": marker + "%%"},
		"key alone":         {"client-key-data": marked},
		"exec":              {"exec": plugin(map[string]any{"args": []string{marker}, "env": []any{map[string]any{"name": "A", "value": marker}}})},
		"exec, no command":  {"exec": plugin(map[string]any{"command": "", "args": []string{marker}})},
		"exec, wrong types": {"exec": plugin(map[string]any{"args": marker, "env": marker})},
		"exec, version":     {"exec": plugin(map[string]any{"apiVersion": marker, "interactiveMode": marker, "installHint": marker})},
		"exec, env":         {"exec": plugin(map[string]any{"env": []any{map[string]any{"name": "", "value": marker}}})},
		"auth-provider":     {"auth-provider": map[string]any{"name": "oidc", "config": map[string]any{"refresh-token": marker}}},
		"auth-provider, 2":  {"auth-provider": map[string]any{"name": "oidc", "config": marker}},
		"impersonation":     {"token": "x", "as": marker, "as-user-extra": map[string]any{marker: []string{marker}}},
		"nothing":           {},
	}
}

func secretClusters(t *testing.T) map[string]map[string]any {
	t.Helper()
	good, _, _ := fields(t)
	return map[string]map[string]any{
		"good":                 good,
		"no CA":                with(good, "certificate-authority-data", nil),
		"insecure":             with(good, "insecure-skip-tls-verify", true),
		"server with password": with(good, "server", "https://u:"+marker+"@host"),
		"server, broken":       with(good, "server", "https://u:"+marker+"@ho st:x y"),
		"server with query":    with(good, "server", "https://host/?token="+marker),
		"server, http":         with(good, "server", "http://u:"+marker+"@host"),
		"proxy with password":  with(good, "proxy-url", "http://u:"+marker+"@host:1"),
		"proxy, broken":        with(good, "proxy-url", "http://u:"+marker+"@ho st:x"),
		"proxy, other scheme":  with(good, "proxy-url", "ftp://u:"+marker+"@host"),
		"server name":          with(good, "tls-server-name", marker+"_"),
		"CA, marked":           with(good, "certificate-authority-data", base64.StdEncoding.EncodeToString([]byte(marker))),
	}
}

// TestErrorsNeverHoldSecrets crosses every broken user with every cluster under
// every policy, and also cuts and doubles the files.
func TestErrorsNeverHoldSecrets(t *testing.T) {
	t.Parallel()
	rejected := 0
	for clusterName, cluster := range secretClusters(t) {
		for userName, user := range secretUsers(t) {
			whole := doc(t, cluster, user)
			for form, data := range broken(whole) {
				policies := []Policy{CommandLine(true), Agent(), CommandLine(false)}
				if form != "whole" {
					policies = policies[:1]
				}
				for _, policy := range policies {
					got, err := Parse(data, "", policy)
					if err == nil {
						if shown := fmt.Sprintf("%v %+v", got, got); strings.Contains(shown, marker) {
							t.Errorf("%s, %s, %s: printing the cluster shows a secret: %s", clusterName, userName, form, shown)
						}
						continue
					}
					rejected++
					if text := everything(err); strings.Contains(text, marker) {
						t.Errorf("%s, %s, %s: error shows a secret: %s", clusterName, userName, form, text)
					}
				}
			}
		}
	}
	if rejected < 1000 {
		t.Errorf("only %d rejections were looked at", rejected)
	}
}

// broken are forms of a file, from whole to unreadable.
func broken(whole []byte) map[string][]byte {
	yaml := strings.ReplaceAll(string(whole), `"token":"`+marker, `"token":*`+marker+`,"x":"`)
	forms := map[string][]byte{
		"whole": whole, "cut": whole[:len(whole)*3/4], "an alias": []byte(yaml),
		"a tail": append([]byte("a: b\n"), whole...), "quotes gone": []byte(strings.ReplaceAll(string(whole), `"`, "")),
	}
	users := strings.Index(string(whole), `"users":[`) + len(`"users":[`)
	entry := string(whole[users : strings.LastIndex(string(whole), "]")+1])
	forms["twice"] = []byte(string(whole[:users]) + strings.TrimSuffix(entry, "]") + "," + string(whole[users:]))
	return maps.Clone(forms)
}

// everything is all text of an error and of all that it wraps.
func everything(err error) string {
	text := fmt.Sprintf("%v %+v", err, err)
	var p *problem.Error
	if errors.As(err, &p) {
		text += p.Fix + fmt.Sprintf("%#v", *p)
	}
	for err = errors.Unwrap(err); err != nil; err = errors.Unwrap(err) {
		text += fmt.Sprintf("%v", err)
	}
	return text
}
