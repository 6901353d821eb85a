// Package manifests holds our Helm charts as files, and nothing else. The same
// folders can be installed with helm.
package manifests

import "embed"

// FS has the charts under charts/NAME. The gateway's platform presets are
// values files under charts/eastwest-gateway/platforms.
//
//go:embed all:charts
var FS embed.FS
