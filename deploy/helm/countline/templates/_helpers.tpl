{{- define "countline.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Of at most 40 characters: pods add their number, labels of StatefulSets a revision. */}}
{{- define "countline.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "countline.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "countline.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "countline.selector" -}}
app.kubernetes.io/name: {{ include "countline.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "countline.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "countline.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "countline.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "countline.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "countline.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "countline.secret" -}}
{{- default (include "countline.fullname" .) .Values.existingSecret -}}
{{- end -}}

{{/* The text of countline.yaml. Helm reads `on:` as true in a mapping, which no message can mean. */}}
{{- define "countline.config" -}}
{{- if kindIs "string" .Values.config -}}
{{- .Values.config -}}
{{- else -}}
{{- $config := deepCopy .Values.config -}}
{{- range $message := default list (get $config "messages") -}}
{{- if hasKey $message "true" -}}
{{- $_ := set $message "on" (get $message "true") -}}
{{- $_ := unset $message "true" -}}
{{- end -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}
{{- end -}}

{{/* What cannot be, said before anything is made. */}}
{{- define "countline.check" -}}
{{- if not .Values.config -}}
{{- fail "config is empty: give it with --set-file config=countline.yaml, or as a mapping in your values" -}}
{{- end -}}
{{- if not (kindIs "string" .Values.config) -}}
{{- if hasKey .Values.config "metrics" -}}
{{- fail "config.metrics: leave it out; the chart sets it (metrics.port)" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.mode "workers") (not .Values.worker.group) -}}
{{- fail "worker.group is empty: mode workers needs the name of the consumer group" -}}
{{- end -}}
{{- if and (eq .Values.mode "workers") .Values.reload -}}
{{- fail "reload is of mode shards: workers are started one after the other, and the others go on with their sources meanwhile" -}}
{{- end -}}
{{- if and .Values.autoscaling.enabled (ne .Values.mode "workers") -}}
{{- fail "autoscaling is of mode workers: a source that moves to another shard begins its counts anew" -}}
{{- end -}}
{{- if and .Values.secrets .Values.existingSecret -}}
{{- fail "give secrets or existingSecret, not both" -}}
{{- end -}}
{{- if and .Values.web.enabled (eq .Values.mode "workers") -}}
{{- fail "web is of mode shards: workers have no page, and metrics show them" -}}
{{- end -}}
{{- if and .Values.web.ingress.enabled (gt (int .Values.replicas) 1) (not (contains "{pod}" .Values.web.ingress.host)) -}}
{{- fail "web.ingress.host needs {pod} in it: each pod has a page of its own" -}}
{{- end -}}
{{- end -}}
