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
{{- if .Values.facade.enabled }}
{{- $_ := set $fixed "facade" (dict "folder" "/etc/eastwest-facade" "listen" (printf ":%d" (int .Values.ports.facade))) -}}
{{- end -}}
{{ mergeOverwrite (deepCopy .Values.config) $fixed | toYaml }}
{{- end }}
