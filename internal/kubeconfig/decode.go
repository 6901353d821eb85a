package kubeconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
)

const (
	// maxDepth is how deep a kubeconfig may be nested; the deepest known field,
	// an extension of a cluster, is far above it.
	maxDepth = 64
	// maxExpanded is the size a kubeconfig may have once its aliases are
	// replaced by what they stand for, in bytes and nodes.
	maxExpanded = 4 * maxSize
)

// decode reads one kubeconfig as kubectl does: JSON or YAML, unknown fields
// tolerated, names of fields case-sensitive. The decoders' own errors quote the
// input, so none of their text is passed on but a line number.
func decode(data []byte) (*clientcmdv1.Config, error) {
	if len(data) > maxSize {
		return nil, reject(CodeInvalid, "kubeconfig %v", errTooLarge)
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, reject(CodeInvalid, "kubeconfig is empty")
	}
	if err := checkShape(data); err != nil {
		return nil, err
	}
	raw, err := utilyaml.ToJSON(data)
	if err != nil {
		return nil, reject(CodeInvalid, "kubeconfig is not valid YAML%s", line(err))
	}
	config := &clientcmdv1.Config{}
	if err := utiljson.Unmarshal(raw, config); err != nil {
		return nil, reject(CodeInvalid, "kubeconfig cannot be decoded%s", field(err))
	}
	if config.Kind != "" && config.Kind != "Config" || config.APIVersion != "" && config.APIVersion != "v1" {
		return nil, reject(CodeInvalid, "not a kubeconfig: kind and apiVersion are not Config and v1")
	}
	return config, nil
}

// checkShape bounds what the document expands to, before anything expands it.
func checkShape(data []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return reject(CodeInvalid, "kubeconfig is not valid YAML%s", line(err))
	}
	if len(root.Content) == 0 {
		return reject(CodeInvalid, "kubeconfig is empty")
	}
	if top := root.Content[0]; top.Kind != yaml.MappingNode {
		return reject(CodeInvalid, "not a kubeconfig: the document is no mapping")
	}
	if budget := maxExpanded; !fits(&root, 0, &budget) {
		return reject(CodeInvalid, "kubeconfig is nested deeper than %d levels or its aliases expand to more than %d bytes", maxDepth, maxExpanded)
	}
	return nil
}

// fits walks a node with its aliases replaced and reports whether it stays
// within depth and budget. An alias that holds itself runs out of depth.
func fits(node *yaml.Node, depth int, budget *int) bool {
	*budget -= 1 + len(node.Value)
	if depth > maxDepth || *budget < 0 {
		return false
	}
	if node.Kind == yaml.AliasNode {
		return node.Alias != nil && fits(node.Alias, depth+1, budget)
	}
	for _, child := range node.Content {
		if !fits(child, depth+1, budget) {
			return false
		}
	}
	return true
}

// line extracts the line number from a YAML error.
func line(err error) string {
	if found := regexp.MustCompile(`line \d{1,7}`).FindString(err.Error()); found != "" {
		return " (" + found + ")"
	}
	return ""
}

// field extracts from a JSON error the schema's name of the field, which the
// input cannot influence.
func field(err error) string {
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) && knownField(wrong.Field) {
		return ": field " + wrong.Field + " has the wrong type"
	}
	return ": a field has the wrong type or is not base64"
}

// knownField reports whether a path is made of names of the kubeconfig schema.
func knownField(path string) bool {
	const names = " clusters cluster users user contexts context preferences extensions name server token " +
		"certificate-authority-data certificate-authority client-certificate client-certificate-data client-key " +
		"client-key-data tokenFile username password exec command args env current-context namespace proxy-url " +
		"tls-server-name insecure-skip-tls-verify disable-compression as as-uid as-groups as-user-extra auth-provider "
	for part := range strings.SplitSeq(path, ".") {
		if part == "" || !strings.Contains(names, " "+part+" ") {
			return false
		}
	}
	return true
}
