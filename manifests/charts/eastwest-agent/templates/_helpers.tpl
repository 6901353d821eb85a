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
{{ mergeOverwrite (deepCopy .Values.config) $fixed | toYaml }}
{{- end }}
