import { full, labels, PLACEMENT, served, type StandIns, UNPLACED } from "../../charts/generator";

export const charts: StandIns = {
    "external-dns": {
        values: {
            interval: "1m",
            triggerLoopOnEvent: false,
            sources: ["service", "ingress"],
            policy: "upsert-only",
            registry: "txt",
            txtOwnerId: null,
            txtPrefix: null,
            domainFilters: [],
            provider: { name: "aws" },
            extraArgs: {},
            resources: {},
            ...UNPLACED,
        },
        objects: [
            served(
                {
                    name: full,
                    labels: labels("external-dns"),
                    image: "registry.k8s.io/external-dns/external-dns",
                    ports: { http: 7979 },
                    args: "(include `args` . | fromJsonArray)",
                    resources: "resources",
                    pod: PLACEMENT,
                },
                { http: 7979 },
            ),
        ],
        text: `{{- define "args" -}}
{{- $v := .Values -}}
{{- $args := list (print "--interval=" $v.interval) (print "--policy=" $v.policy) (print "--registry=" $v.registry) -}}
{{- if $v.triggerLoopOnEvent }}{{ $args = append $args "--events" }}{{ end -}}
{{- range $v.sources }}{{ $args = append $args (print "--source=" .) }}{{ end -}}
{{- with $v.txtOwnerId }}{{ $args = append $args (print "--txt-owner-id=" .) }}{{ end -}}
{{- with $v.txtPrefix }}{{ $args = append $args (print "--txt-prefix=" .) }}{{ end -}}
{{- range $v.domainFilters }}{{ $args = append $args (print "--domain-filter=" .) }}{{ end -}}
{{- $args = append $args (print "--provider=" (ternary $v.provider (get ($v.provider | default dict) "name") (kindIs "string" $v.provider))) -}}
{{- if kindIs "slice" $v.extraArgs }}{{ $args = concat $args $v.extraArgs }}
{{- else }}
{{- range $flag, $text := $v.extraArgs }}
{{- range (ternary $text (list $text) (kindIs "slice" $text)) }}{{ $args = append $args (ternary (print "--" $flag "=" .) (print "--" $flag) (not (empty .))) }}{{ end -}}
{{- end }}
{{- end -}}
{{ $args | toJson }}
{{- end }}
`,
    },
};
