{{- define "agent.selector" -}}
app: {{ .Values.name | quote }}
{{- end }}

{{- define "agent.labels" -}}
{{ include "agent.selector" . }}
app.kubernetes.io/name: {{ .Values.name | quote }}
app.kubernetes.io/part-of: eastwest
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "agent.config" -}}
{{- $fixed := dict "apiVersion" "eastwest.dev/v1alpha1" "kind" "AgentConfig" -}}
{{- /* The ports of the pod and those that the agent listens on are one value. */ -}}
{{- $_ := set $fixed "listen" (dict "xds" (printf ":%d" (int .Values.ports.xds)) "admin" (printf "127.0.0.1:%d" (int .Values.ports.admin)) "health" (printf ":%d" (int .Values.ports.health))) -}}
{{- if .Values.facade.enabled }}
{{- $_ := set $fixed "facade" (dict "folder" "/etc/eastwest-facade" "listen" (printf ":%d" (int .Values.ports.facade))) -}}
{{- end -}}
{{- if .Values.dns.enabled }}
{{- $_ := set $fixed "dns" (dict "listen" (printf ":%d" (int .Values.ports.dns))) -}}
{{- end -}}
{{- if .Values.probe.enabled }}
{{- $_ := set $fixed "probe" (dict "authority" (required "probe.authority is required: HOST:PORT of the local istiod" .Values.probe.authority) "listen" (printf ":%d" (int .Values.ports.probe))) -}}
{{- end -}}
{{ mergeOverwrite (deepCopy .Values.config) $fixed | toYaml }}
{{- end }}

{{- /* What istiod is to know of the agent's pods: no proxy stands before them, and
they end mutual TLS themselves. Without the latter a gateway leads nobody here. */ -}}
{{- define "agent.mesh" -}}
{{- if .Values.probe.enabled -}}
sidecar.istio.io/inject: "false"
istio.io/dataplane-mode: none
security.istio.io/tlsMode: istio
{{- end }}
{{- end }}
