package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
)

// Image is an image to write.
type Image struct {
	// Name is the full reference, tag included.
	Name string
	// Layers are layer tars on this host, lowest first.
	Layers []string
	User   string
	// Env is added to the path every image has.
	Env        []string
	Entrypoint []string
	Cmd        []string
}

type config struct {
	Architecture string         `json:"architecture"`
	OS           string         `json:"os"`
	Config       containerSpec  `json:"config"`
	RootFS       rootFS         `json:"rootfs"`
	History      []historyEntry `json:"history"`
}

type containerSpec struct {
	User       string   `json:"User,omitempty"`
	Env        []string `json:"Env"`
	Entrypoint []string `json:"Entrypoint,omitempty"`
	Cmd        []string `json:"Cmd,omitempty"`
}

type rootFS struct {
	Type    string   `json:"type"`
	DiffIDs []string `json:"diff_ids"`
}

type historyEntry struct {
	CreatedBy string `json:"created_by"`
}

type manifest struct {
	Config   string
	RepoTags []string
	Layers   []string
}

// Write writes the image as a docker archive.
func Write(w io.Writer, img Image) error {
	conf := config{
		Architecture: "amd64",
		OS:           "linux",
		Config: containerSpec{
			User:       img.User,
			Env:        append([]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, img.Env...),
			Entrypoint: img.Entrypoint,
			Cmd:        img.Cmd,
		},
		RootFS: rootFS{Type: "layers"},
	}
	tw := tar.NewWriter(w)
	man := manifest{RepoTags: []string{img.Name}}
	for _, path := range img.Layers {
		digest, err := fileDigest(path)
		if err != nil {
			return fmt.Errorf("image %s: %w", img.Name, err)
		}
		conf.RootFS.DiffIDs = append(conf.RootFS.DiffIDs, "sha256:"+digest)
		conf.History = append(conf.History, historyEntry{CreatedBy: "eastwest lab"})
		man.Layers = append(man.Layers, digest+".tar")
		if err := writeFile(tw, path, tar.Header{Name: digest + ".tar", Mode: 0o644}); err != nil {
			return fmt.Errorf("image %s: %w", img.Name, err)
		}
	}
	data, err := json.Marshal(conf)
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	sum := sha256.Sum256(data)
	man.Config = hex.EncodeToString(sum[:]) + ".json"
	if err := writeBytes(tw, man.Config, data); err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	list, err := json.Marshal([]manifest{man})
	if err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	if err := writeBytes(tw, "manifest.json", list); err != nil {
		return fmt.Errorf("image %s: %w", img.Name, err)
	}
	return tw.Close()
}

func writeBytes(tw *tar.Writer, name string, data []byte) error {
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(data))}); err != nil {
		return err
	}
	_, err := io.Copy(tw, bytes.NewReader(data))
	return err
}

func fileDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
