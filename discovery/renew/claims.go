package renew

import (
	"encoding/base64"
	"encoding/json"
	"hash/fnv"
	"strings"
	"time"
)

// claims is what a service-account token says of itself. Nobody but its issuer
// can prove it; it is used for nothing but to know when and how to ask anew.
type claims struct {
	namespace, account string
	issued, expiry     time.Time
	// spread is different for each token, from 0 to 1.
	spread float64
}

// read reads a token; ok is false where it is none of a service account or does
// not expire.
func read(token string) (found claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return claims{}, false
	}
	var body struct {
		Subject string `json:"sub"`
		Issued  int64  `json:"iat"`
		Expiry  int64  `json:"exp"`
	}
	if err := json.Unmarshal(payload, &body); err != nil {
		return claims{}, false
	}
	// Source: k8s.io/apiserver/pkg/authentication/serviceaccount, MakeUsername.
	names := strings.Split(body.Subject, ":")
	if len(names) != 4 || names[0] != "system" || names[1] != "serviceaccount" || body.Issued == 0 || body.Expiry <= body.Issued {
		return claims{}, false
	}
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(parts[2])) // writing to a hash does not fail
	return claims{
		namespace: names[2], account: names[3], issued: time.Unix(body.Issued, 0), expiry: time.Unix(body.Expiry, 0),
		spread: float64(hash.Sum32()%1000) / 1000,
	}, true
}

func (c claims) life() time.Duration { return c.expiry.Sub(c.issued) }

// due reports whether it is time: at 45 to 55 % of its life, so that the members
// of a mesh that were joined at once do not all renew at once.
func (c claims) due(now time.Time) bool {
	return !now.Before(c.issued.Add(time.Duration(float64(c.life()) * (0.45 + 0.1*c.spread))))
}
