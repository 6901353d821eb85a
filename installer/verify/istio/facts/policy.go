package facts

// Selector picks workloads by their labels; empty picks all.
type Selector struct {
	MatchLabels map[string]string `json:"matchLabels"`
	Labels      map[string]string `json:"labels"`
}

// Empty says that it picks every workload.
func (s Selector) Empty() bool { return len(s.MatchLabels)+len(s.Labels) == 0 }

// Picks says whether a pod with these labels is meant.
func (s Selector) Picks(labels map[string]string) bool {
	for _, want := range []map[string]string{s.MatchLabels, s.Labels} {
		for key, value := range want {
			if labels[key] != value {
				return false
			}
		}
	}
	return true
}

// Mode is a TLS mode; empty and UNSET inherit.
type Mode struct {
	Mode string `json:"mode"`
}

// PeerAuthentication says what TLS a workload takes.
type PeerAuthentication struct {
	Object   `json:"-"`
	Selector Selector        `json:"selector"`
	MTLS     Mode            `json:"mtls"`
	Ports    map[string]Mode `json:"portLevelMtls"`
}

// AuthorizationPolicy says who may call a workload.
type AuthorizationPolicy struct {
	Object   `json:"-"`
	Selector Selector         `json:"selector"`
	Action   string           `json:"action"`
	Rules    []map[string]any `json:"rules"`
	Targets  []map[string]any `json:"targetRefs"`
}

// TrafficPolicy is the TLS part of a DestinationRule's policy.
type TrafficPolicy struct {
	TLS   *Mode `json:"tls"`
	Ports []struct {
		Port struct {
			Number int `json:"number"`
		} `json:"port"`
		TLS *Mode `json:"tls"`
	} `json:"portLevelSettings"`
}

// DestinationRule says how a consumer calls a host.
type DestinationRule struct {
	Object   `json:"-"`
	Host     string        `json:"host"`
	Policy   TrafficPolicy `json:"trafficPolicy"`
	Selector Selector      `json:"workloadSelector"`
}

// Sidecar says which hosts a consumer's proxy is told of.
type Sidecar struct {
	Object   `json:"-"`
	Selector Selector `json:"workloadSelector"`
	Egress   []struct {
		Hosts []string `json:"hosts"`
	} `json:"egress"`
}
