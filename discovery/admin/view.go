package admin

import (
	"cmp"
	"slices"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// shownView is a view for people.
type shownView struct {
	// Complete is false while members are missing that have not been listed yet.
	Complete bool           `json:"complete"`
	Members  []shownMember  `json:"members"`
	Services []shownService `json:"services"`
}

type shownMember struct {
	Name     model.MemberName `json:"name"`
	ID       model.ClusterID  `json:"clusterID"`
	Network  model.NetworkID  `json:"network"`
	Region   string           `json:"region,omitempty"`
	Identity string           `json:"identity,omitempty"`
	Gateways []string         `json:"gateways,omitempty"`
	State    model.State      `json:"state"`
	Demoted  bool             `json:"demoted,omitempty"`
}

type shownService struct {
	Namespace string             `json:"namespace"`
	Name      string             `json:"name"`
	Type      string             `json:"type"`
	Ports     []shownPort        `json:"ports"`
	Exporters []model.MemberName `json:"exporters"`
	Backends  []shownBackend     `json:"backends"`
	Conflicts []shownConflict    `json:"conflicts,omitempty"`
}

type shownPort struct {
	Name        string `json:"name,omitempty"`
	Number      uint16 `json:"number"`
	Protocol    string `json:"protocol"`
	AppProtocol string `json:"appProtocol,omitempty"`
}

type shownBackend struct {
	Member model.MemberName `json:"member"`
	// Ports are names of the ports that it serves.
	Ports []string `json:"ports"`
	// Endpoints are counted by health, and listed where one service is asked for.
	Endpoints map[string]int  `json:"endpoints"`
	Addresses []shownEndpoint `json:"addresses,omitempty"`
}

type shownEndpoint struct {
	Address string `json:"address"`
	Zone    string `json:"zone,omitempty"`
	Health  string `json:"health"`
}

type shownConflict struct {
	Reason  model.ConflictReason `json:"reason"`
	Winner  model.MemberName     `json:"winner"`
	Losers  []model.MemberName   `json:"losers"`
	Message string               `json:"message"`
}

func showView(view *model.View, complete bool) shownView {
	out := shownView{Complete: complete, Members: []shownMember{}, Services: []shownService{}}
	for _, one := range view.Members {
		shown := shownMember{
			Name: one.Name, ID: one.ID, Network: one.Network, Region: one.Region, Identity: one.Identity, State: one.State, Demoted: one.Demoted,
		}
		for _, gateway := range one.Gateways {
			shown.Gateways = append(shown.Gateways, gateway.String())
		}
		out.Members = append(out.Members, shown)
	}
	slices.SortFunc(out.Members, func(a, b shownMember) int { return cmp.Compare(a.Name, b.Name) })
	for service := range view.Services.All() {
		out.Services = append(out.Services, showService(service, false))
	}
	slices.SortFunc(out.Services, func(a, b shownService) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return out
}

func showService(one *model.Service, addresses bool) shownService {
	out := shownService{
		Namespace: one.Key.Namespace, Name: one.Key.Name, Type: one.Type.String(), Exporters: one.Exporters,
		Ports: []shownPort{}, Backends: []shownBackend{},
	}
	for _, port := range one.Ports {
		out.Ports = append(out.Ports, shownPort{port.Name, port.Number, port.Protocol.String(), port.AppProtocol})
	}
	for i := range one.Backends {
		out.Backends = append(out.Backends, showBackend(&one.Backends[i], addresses))
	}
	for _, conflict := range one.Conflicts {
		out.Conflicts = append(out.Conflicts, shownConflict{conflict.Reason, conflict.Winner, conflict.Losers, conflict.Message})
	}
	return out
}

// healthNames are the words for the health of an endpoint.
var healthNames = map[model.Health]string{model.Serving: "serving", model.Draining: "draining", model.Unready: "unready"}

func showBackend(from *model.Backend, addresses bool) shownBackend {
	out := shownBackend{Member: from.Member, Ports: from.Ports, Endpoints: map[string]int{}}
	for _, slice := range from.Slices {
		for _, endpoint := range slice.Endpoints.All() {
			health := healthNames[endpoint.Health]
			out.Endpoints[health]++
			if addresses {
				shown := shownEndpoint{Address: endpoint.Addr.String(), Zone: endpoint.Zone.Value(), Health: health}
				out.Addresses = append(out.Addresses, shown)
			}
		}
	}
	return out
}
