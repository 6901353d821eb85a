package authority

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// The files of a CA's folder, named as in Istio's cacerts.
const (
	caCertFile = "ca-cert.pem"
	caKeyFile  = "ca-key.pem"
	chainFile  = "cert-chain.pem"
	rootsFile  = "root-cert.pem"
)

// maxFile is far above any bundle of roots; a volume that holds more is not ours.
const maxFile = 1 << 20

// folder is the content of the files.
type folder struct {
	caCert, chain, roots string
	caKey                Key
}

// digest tells folders apart without keeping the key's text.
func (f folder) digest() [sha256.Size]byte {
	return sha256.Sum256([]byte(strings.Join([]string{f.caCert, f.chain, f.roots, string(f.caKey.PEM())}, "\x00")))
}

// readFolder reads all files of one moment. Kubernetes swaps a volume's files by
// renaming the symbolic link ..data; resolving it once gives files that belong
// together even where the swap comes between two reads.
func readFolder(dir string) (folder, error) {
	at := dir
	switch target, err := filepath.EvalSymlinks(filepath.Join(dir, "..data")); {
	case err == nil:
		at = target
	case !errors.Is(err, os.ErrNotExist):
		return folder{}, fmt.Errorf("read CA folder %s: %w", dir, err)
	}
	var read folder
	var key string
	for name, into := range map[string]*string{
		caCertFile: &read.caCert, caKeyFile: &key, chainFile: &read.chain, rootsFile: &read.roots,
	} {
		text, err := readFile(filepath.Join(at, name))
		if err != nil {
			return folder{}, fmt.Errorf("read CA folder %s: %s: %w", dir, name, err)
		}
		*into = text
	}
	read.caKey = Key{&key}
	return read, nil
}

func readFile(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", errors.Unwrap(err)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(data) > maxFile {
		return "", fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return string(data), nil
}
