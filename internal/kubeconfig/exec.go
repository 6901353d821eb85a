package kubeconfig

import (
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"k8s.io/apimachinery/pkg/runtime"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	clientcmdv1 "k8s.io/client-go/tools/clientcmd/api/v1"
)

// execGroup is the API group of credential plugins, and in a cluster's
// extensions, with /exec, the name of what is passed on to them.
const execGroup = "client.authentication.k8s.io"

// exec accepts a credential plugin where the policy does. It is not started
// here but by the transport, on first use.
func (r resolver) exec(cluster clusterEntry, user userEntry, out *Cluster) error {
	plugin := user.Exec
	if !r.policy.Exec {
		fix := "leave out --no-exec, or use a token or a client certificate"
		if !r.policy.Files {
			fix = "write the remote secret with a token, as eastwest create-mesh does"
		}
		return reject(CodeExec, "the user is an exec credential plugin, and none may be started").WithFix("%s", fix)
	}
	mode, err := checkPlugin(plugin)
	if err != nil {
		return err
	}
	command := plugin.Command
	if strings.ContainsRune(command, filepath.Separator) {
		command = absolute(command, user.dir)
	}
	out.ExecCommand = command
	out.Config.ExecProvider = &clientcmdapi.ExecConfig{
		Command:            command,
		Args:               slices.Clone(plugin.Args),
		Env:                environment(plugin.Env),
		APIVersion:         plugin.APIVersion,
		InstallHint:        printable(plugin.InstallHint),
		ProvideClusterInfo: plugin.ProvideClusterInfo,
		InteractiveMode:    mode,
		Config:             pluginConfig(cluster.Extensions),
	}
	return nil
}

// checkPlugin requires what the transport would, and returns the mode.
func checkPlugin(plugin *clientcmdv1.ExecConfig) (clientcmdapi.ExecInteractiveMode, error) {
	if plugin.Command == "" {
		return "", reject(CodeInvalid, "the exec credential plugin has no command")
	}
	mode := clientcmdapi.ExecInteractiveMode(plugin.InteractiveMode)
	switch plugin.APIVersion {
	case execGroup + "/v1":
	case execGroup + "/v1beta1":
		if mode == "" {
			mode = clientcmdapi.IfAvailableExecInteractiveMode
		}
	default:
		return "", reject(CodeInvalid, "the exec credential plugin does not speak %s/v1 or v1beta1", execGroup).
			WithFix("update the kubeconfig with a current version of the platform's command line")
	}
	known := []clientcmdapi.ExecInteractiveMode{
		clientcmdapi.NeverExecInteractiveMode, clientcmdapi.IfAvailableExecInteractiveMode, clientcmdapi.AlwaysExecInteractiveMode,
	}
	if !slices.Contains(known, mode) {
		return "", reject(CodeInvalid, "interactiveMode of the exec credential plugin is not Never, IfAvailable or Always")
	}
	for _, variable := range plugin.Env {
		if variable.Name == "" {
			return "", reject(CodeInvalid, "an environment variable of the exec credential plugin has no name")
		}
	}
	return mode, nil
}

func environment(in []clientcmdv1.ExecEnvVar) []clientcmdapi.ExecEnvVar {
	out := make([]clientcmdapi.ExecEnvVar, len(in))
	for i, variable := range in {
		out[i] = clientcmdapi.ExecEnvVar{Name: variable.Name, Value: variable.Value}
	}
	return out
}

// pluginConfig is the cluster's own part of a plugin's input.
func pluginConfig(extensions []clientcmdv1.NamedExtension) runtime.Object {
	for _, extension := range extensions {
		if extension.Name == execGroup+"/exec" && len(extension.Extension.Raw) > 0 {
			return &runtime.Unknown{Raw: extension.Extension.Raw, ContentType: runtime.ContentTypeJSON}
		}
	}
	return nil
}

// printable drops control characters: the hint ends up on a terminal.
func printable(text string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsControl(c) && c != '\n' {
			return -1
		}
		return c
	}, text)
}
