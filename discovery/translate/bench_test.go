package translate

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

// BenchmarkService makes the resources of one service with 1,000 endpoints on the
// own network and as many in another, inbound and egress.
func BenchmarkService(b *testing.B) {
	view, from, options := benchScene(b, 1, 1000)
	service := view.Services.Get(serviceKey("ns/s0"))
	b.ReportAllocs()
	for b.Loop() {
		if set := Service(view, service, from, options); len(set.Clusters) != 2 {
			b.Fatal("resources are missing")
		}
	}
}

// BenchmarkGateway makes everything for 1,000 services with 10 endpoints in each of
// two members.
func BenchmarkGateway(b *testing.B) {
	view, from, options := benchScene(b, 1000, 10)
	b.ReportAllocs()
	for b.Loop() {
		if set := Gateway(view, from, options); len(set.Clusters) != 2001 {
			b.Fatal("resources are missing")
		}
	}
}

func benchScene(b testing.TB, services, endpoints int) (*model.View, model.Vantage, Options) {
	b.Helper()
	asked := scene{From: "east", Members: []memberInput{
		{Name: "east", Network: "east"}, {Name: "west", Network: "west", Gateways: []string{"192.0.2.2:15443"}},
	}}
	view, from, options := asked.build(b)
	made := map[model.ServiceKey]*model.Service{}
	for s := range services {
		key := serviceKey(fmt.Sprintf("ns/s%d", s))
		port := model.Port{Name: "sql", Number: 5432}
		service := &model.Service{Key: key, Ports: []model.Port{port}, Exporters: []model.MemberName{"east", "west"}}
		for _, name := range service.Exporters {
			slice := &model.Slice{Name: "one", Ports: []model.Port{port}}
			for i := range endpoints {
				slice.Endpoints.Append(model.Endpoint{Addr: netip.AddrFrom4([4]byte{10, 1, byte(i * 7 >> 8), byte(i * 7)})})
			}
			service.Backends = append(service.Backends, model.Backend{Member: name, Ports: []string{"sql"}, Slices: []*model.Slice{slice}})
		}
		made[key] = service
		options.Listeners[model.PortKey{Service: key, Number: port.Number}] = uint16(20000 + s)
	}
	view.Services = view.Services.With(made)
	return view, from, options
}
