package node

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/eastwest-mesh/eastwest/lab/internal/pki"
	"github.com/eastwest-mesh/eastwest/lab/internal/plan"
)

// Prepare writes certificates, kubeconfig and configuration files. What is
// there stays: keys are made once, and a file is written whole or not at all.
func Prepare(c plan.Cluster) error {
	if _, err := os.Stat(c.Kubeconfig()); os.IsNotExist(err) {
		if err := writeCredentials(c); err != nil {
			return fmt.Errorf("make credentials of %s: %w", c.Name(), err)
		}
	}
	if err := makeKubeletDirs(c); err != nil {
		return fmt.Errorf("make directories of %s: %w", c.Name(), err)
	}
	for name, content := range configFiles(c) {
		if err := WriteFile(c.Path(name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("configure %s: %w", c.Name(), err)
		}
	}
	return nil
}

// makeKubeletDirs makes the directories behind the kubelet's fixed paths and,
// for mounting over, the paths themselves.
func makeKubeletDirs(c plan.Cluster) error {
	for _, fixed := range plan.KubeletFixedDirs() {
		for _, dir := range []string{fixed, c.BehindFixed(fixed)} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeCredentials writes the kubeconfig last: where it is, all else is too.
func writeCredentials(c plan.Cluster) error {
	ca, err := pki.NewCA(c.Context() + "-ca")
	if err != nil {
		return err
	}
	server, err := ca.Issue(pki.Leaf{
		CommonName: "kube-apiserver",
		DNSNames:   []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost", c.NodeName()},
		IPs:        []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(c.NodeIP()), net.ParseIP(c.APIServiceIP())},
	})
	if err != nil {
		return err
	}
	admin, err := ca.Issue(pki.Leaf{CommonName: adminName, Organization: "system:masters"})
	if err != nil {
		return err
	}
	token, err := pki.NewCA("service-account-tokens")
	if err != nil {
		return err
	}
	tokenPublic, err := token.PublicKeyPEM()
	if err != nil {
		return err
	}
	config, err := kubeconfig(c, ca, admin)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		path string
		data []byte
	}{
		{c.Path(caCert), ca.CertPEM},
		{c.Path(caKey), ca.KeyPEM},
		{c.Path(serverCert), server.CertPEM},
		{c.Path(serverKey), server.KeyPEM},
		{c.Path(adminCert), admin.CertPEM},
		{c.Path(adminKey), admin.KeyPEM},
		{c.Path(tokenPub), tokenPublic},
		{c.Path(tokenKey), token.KeyPEM},
		{c.Kubeconfig(), config},
	} {
		if err := WriteFile(f.path, f.data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func kubeconfig(c plan.Cluster, ca, admin *pki.Pair) ([]byte, error) {
	name := c.Context()
	config := clientcmdapi.NewConfig()
	config.Clusters[name] = &clientcmdapi.Cluster{Server: c.Server(), CertificateAuthorityData: ca.CertPEM}
	config.AuthInfos[name] = &clientcmdapi.AuthInfo{ClientCertificateData: admin.CertPEM, ClientKeyData: admin.KeyPEM}
	config.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
	config.CurrentContext = name
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("encode kubeconfig: %w", err)
	}
	return data, nil
}

// WriteFile writes a file whole or not at all, and leaves an equal one alone.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, data) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(data)
	if err := errors.Join(err, temp.Chmod(mode), temp.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.Rename(temp.Name(), path)
}
