{{- /* What the gateway is: "sidecar" or "ambient" by an istiod, or "envoy" by the agent. */ -}}
{{- define "gateway.form" -}}
{{- if eq .Values.dataplane "envoy" }}envoy{{ else }}{{ .Values.mode }}{{ end -}}
{{- end }}

{{- define "gateway.selector" -}}
app: {{ .Values.name | quote }}
{{- if eq .Values.dataplane "istio" }}
istio: eastwestgateway
{{- end }}
{{- end }}

{{- define "gateway.workloadSelector" -}}
{{- if .Values.selectorLabels }}
{{- toYaml .Values.selectorLabels }}
{{- else }}
{{- include "gateway.selector" . }}
{{- end }}
{{- end }}

{{- /* What finds the pods: ours and, in a Deployment that was taken over, what it had. */ -}}
{{- define "gateway.podSelector" -}}
{{ mergeOverwrite (include "gateway.selector" . | fromYaml) .Values.selectorLabels | toYaml }}
{{- end }}

{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/name: {{ .Values.name | quote }}
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
