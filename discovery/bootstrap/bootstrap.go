// Package bootstrap keeps the Secret with the first certificate of the local
// gateway: Envoy needs one to ask the agent for everything else. It is short-lived
// and renewed long before it ends; a pod of the gateway mounts it, and Envoy
// follows the files.
//
// It must not know where certificates come from, nor xDS.
package bootstrap

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"
)

// Certificate is a certificate with its key and the roots of its peers, in PEM
// form.
type Certificate struct {
	Chain, Key, Roots []byte
}

// Keeper keeps the Secret. One replica at a time may run it.
type Keeper struct {
	Kube            kubernetes.Interface
	Namespace, Name string
	// Identity that the certificate must have.
	Identity string
	// Issue makes a new one.
	Issue func() (Certificate, error)
	// Roots are those of now.
	Roots func() []byte
	// Changed is closed when the issuer or the roots are others than at the call.
	Changed func() <-chan struct{}
	Log     *slog.Logger
}

// caKey is the key of the roots in a Secret of type kubernetes.io/tls, as
// cert-manager and service meshes name it.
const caKey = "ca.crt"

// look is how often the Secret is looked at: it may have been deleted or edited.
const look = 30 * time.Second

// Run keeps the Secret until ctx ends. What it wrote stays.
func (k *Keeper) Run(ctx context.Context) {
	for {
		changed := k.Changed()
		if err := k.once(ctx); err != nil && ctx.Err() == nil {
			k.Log.Warn("keep the gateway's first certificate", "error", err)
		}
		timer := time.NewTimer(look)
		select {
		case <-ctx.Done():
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

// once writes a new certificate where the one that is there will not do.
func (k *Keeper) once(ctx context.Context) error {
	secret, err := k.Kube.CoreV1().Secrets(k.Namespace).Get(ctx, k.Name, metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("read Secret %s/%s: %w", k.Namespace, k.Name, err)
	}
	if err == nil && k.serves(secret, time.Now()) {
		return nil
	}
	issued, err := k.Issue()
	if err != nil {
		return fmt.Errorf("issue a certificate: %w", err)
	}
	wanted := applycorev1.Secret(k.Name, k.Namespace).WithType(corev1.SecretTypeTLS).WithData(map[string][]byte{
		corev1.TLSCertKey: issued.Chain, corev1.TLSPrivateKeyKey: issued.Key, caKey: issued.Roots,
	})
	options := metav1.ApplyOptions{FieldManager: "eastwest-agent", Force: true}
	if _, err := k.Kube.CoreV1().Secrets(k.Namespace).Apply(ctx, wanted, options); err != nil {
		return fmt.Errorf("write Secret %s/%s: %w", k.Namespace, k.Name, err)
	}
	k.Log.Info("wrote the gateway's first certificate", "secret", k.Namespace+"/"+k.Name)
	return nil
}

// serves reports whether the certificate in a Secret will do for a while: it is
// of the identity, leads to the roots of now, and more than half of its life is
// left.
func (k *Keeper) serves(secret *corev1.Secret, now time.Time) bool {
	roots := k.Roots()
	if !bytes.Equal(secret.Data[caKey], roots) || len(secret.Data[corev1.TLSPrivateKeyKey]) == 0 {
		return false
	}
	leaf, between := parse(secret.Data[corev1.TLSCertKey])
	if leaf == nil || len(leaf.URIs) != 1 || leaf.URIs[0].String() != k.Identity {
		return false
	}
	if now.After(leaf.NotBefore.Add(leaf.NotAfter.Sub(leaf.NotBefore) / 2)) {
		return false
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(roots)
	_, err := leaf.Verify(x509.VerifyOptions{Roots: trusted, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err == nil
}

// parse splits a chain into its leaf and the rest; without a leaf it is broken.
func parse(chain []byte) (leaf *x509.Certificate, between *x509.CertPool) {
	between = x509.NewCertPool()
	for {
		block, rest := pem.Decode(chain)
		if block == nil {
			return leaf, between
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil
		}
		if leaf == nil {
			leaf = cert
		} else {
			between.AddCert(cert)
		}
		chain = rest
	}
}
