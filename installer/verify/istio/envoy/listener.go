package envoy

import "slices"

// Listener is a listener of a gateway.
type Listener struct {
	Name string
	Port int
	// Active says that it serves; one that was never accepted does not.
	Active bool
	// ServerNames are the SNIs of its filter chains.
	ServerNames []string
	// Rejected is Envoy's reason for refusing its newest configuration.
	Rejected string
}

// Serves says that a filter chain takes the server name.
func (l Listener) Serves(name string) bool { return slices.Contains(l.ServerNames, name) }

type listenerDump struct {
	Name   string `json:"name"`
	Active *struct {
		Listener struct {
			Address struct {
				Socket struct {
					Port int `json:"port_value"`
				} `json:"socket_address"`
			} `json:"address"`
			Chains []struct {
				Match struct {
					ServerNames []string `json:"server_names"`
				} `json:"filter_chain_match"`
			} `json:"filter_chains"`
		} `json:"listener"`
	} `json:"active_state"`
	Error *struct {
		Details string `json:"details"`
	} `json:"error_state"`
}

// ParseListeners reads the answer to ListenersPath.
func ParseListeners(data []byte) ([]Listener, error) {
	dumps, err := decode[listenerDump](data, "listeners")
	if err != nil {
		return nil, err
	}
	var all []Listener
	for _, d := range dumps {
		l := Listener{Name: d.Name}
		if d.Active != nil {
			l.Active = true
			l.Port = d.Active.Listener.Address.Socket.Port
			for _, chain := range d.Active.Listener.Chains {
				l.ServerNames = append(l.ServerNames, chain.Match.ServerNames...)
			}
		}
		if d.Error != nil {
			l.Rejected = d.Error.Details
		}
		all = append(all, l)
	}
	return all, nil
}
