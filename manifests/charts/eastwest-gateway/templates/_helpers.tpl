{{- define "gateway.selector" -}}
app: {{ .Values.name }}
istio: eastwestgateway
{{- end }}

{{- define "gateway.workloadSelector" -}}
{{- if .Values.selectorLabels }}
{{- toYaml .Values.selectorLabels }}
{{- else }}
{{- include "gateway.selector" . }}
{{- end }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/name: {{ .Values.name }}
app.kubernetes.io/part-of: eastwest
{{- with .Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "gateway.network" -}}
{{- if not .Values.singleCluster -}}
{{ required "network is required unless singleCluster is set" .Values.network }}
{{- end -}}
{{- end }}
