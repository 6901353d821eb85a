package watch

import (
	"testing"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestTheInboxConflates(t *testing.T) {
	t.Parallel()
	inbox := NewInbox()
	key := func(name string) model.ServiceKey { return model.ServiceKey{Namespace: "shop", Name: name} }
	east, west := &model.Member{Name: "east"}, &model.Member{Name: "west"}
	newest := &model.Shard{Member: east}
	inbox.Offer(&model.Shard{Member: east}, []model.ServiceKey{key("a"), key("b")})
	inbox.Offer(&model.Shard{Member: west}, nil)
	inbox.Offer(newest, []model.ServiceKey{key("b"), key("c")})
	<-inbox.Wake()
	select {
	case <-inbox.Wake():
		t.Error("woken twice")
	default:
	}
	got := inbox.Take()
	if len(got) != 2 || got["east"].Shard != newest || len(got["east"].Changed) != 3 || got["east"].Left || len(got["west"].Changed) != 0 {
		t.Errorf("got %+v", got)
	}
	if again := inbox.Take(); len(again) != 0 {
		t.Errorf("taken twice: %+v", again)
	}
	inbox.Offer(newest, []model.ServiceKey{key("a")})
	inbox.Leave("east")
	if got := inbox.Take()["east"]; got.Shard != nil || !got.Left || len(got.Changed) != 0 {
		t.Errorf("got %+v", got)
	}
	inbox.Leave("east")
	inbox.Offer(newest, []model.ServiceKey{key("a")})
	if got := inbox.Take()["east"]; got.Shard != newest || !got.Left || len(got.Changed) != 1 {
		t.Errorf("left and came back: %+v", got)
	}
}
