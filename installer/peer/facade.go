package peer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"math/big"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// FacadeSecret is the Secret that an agent proves itself with to the istiod of its
// cluster, and that holds the token which that istiod shows.
const FacadeSecret = "eastwest-facade"

const (
	facadeHost = "eastwest-agent." + AccountNamespace + ".svc"
	facadePort = 15016
	facadeLife = 5 * 365 * 24 * time.Hour
	// facadeLeast is what must be left of a facade's certificate to be kept.
	facadeLeast = 365 * 24 * time.Hour

	tokenKey = "token"
)

// Facade is what the agent of a consumer and its istiod know each other by. It
// leads to nothing but the local agent.
type Facade struct {
	// Cert is a self-signed certificate, and its own authority.
	Cert, Key []byte
	Token     string `json:"-"`
}

// String hides the key and the token.
func (Facade) String() string { return "facade" }

// Format hides them from every verb.
func (f Facade) Format(state fmt.State, _ rune) { _, _ = state.Write([]byte(f.String())) }

// FacadeServer is the URL under which the local agent answers for a producer.
// Source of the path: discovery/facade.
func FacadeServer(producer string) string {
	return "https://" + facadeHost + ":" + strconv.Itoa(facadePort) + "/members/" + producer
}

// NewFacade makes a certificate and a token.
func NewFacade(now time.Time) (Facade, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Facade{}, fmt.Errorf("make the key of a facade: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return Facade{}, fmt.Errorf("make the serial number of a facade: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: facadeHost, Organization: []string{"eastwest"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(facadeLife), DNSNames: []string{facadeHost},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:        true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Facade{}, fmt.Errorf("sign the certificate of a facade: %w", err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Facade{}, fmt.Errorf("encode the key of a facade: %w", err)
	}
	token := make([]byte, 32)
	_, _ = rand.Read(token) // it never fails (crypto/rand)
	return Facade{
		Cert:  pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		Key:   pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
		Token: base64.RawURLEncoding.EncodeToString(token),
	}, nil
}

// ReadFacade reads a facade's Secret; ok is false where another one is needed.
func ReadFacade(secret *corev1.Secret, now time.Time) (facade Facade, ok bool) {
	facade = Facade{Cert: secret.Data[corev1.TLSCertKey], Key: secret.Data[corev1.TLSPrivateKeyKey], Token: string(secret.Data[tokenKey])}
	block, _ := pem.Decode(facade.Cert)
	if block == nil || len(facade.Key) == 0 || facade.Token == "" {
		return Facade{}, false
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil || cert.NotAfter.Before(now.Add(facadeLeast)) || cert.VerifyHostname(facadeHost) != nil {
		return Facade{}, false
	}
	return facade, true
}

// Object is the Secret.
func (f Facade) Object() (*unstructured.Unstructured, error) {
	objects, err := toUnstructured([]runtime.Object{&corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Name: FacadeSecret, Namespace: AccountNamespace},
		Data: map[string][]byte{
			corev1.TLSCertKey: f.Cert, corev1.TLSPrivateKeyKey: f.Key, tokenKey: []byte(f.Token),
		},
		Type: corev1.SecretTypeTLS,
	}})
	if err != nil {
		return nil, err
	}
	return objects[0], nil
}
