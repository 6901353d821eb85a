package merge

import (
	"testing"
	"time"

	"github.com/eastwest-mesh/eastwest/discovery/model"
)

func TestIncumbent(t *testing.T) {
	t.Parallel()
	key := model.ServiceKey{Namespace: "sample", Name: "shop"}
	// claim is an export: when it says it was made, and whom it names.
	type claim struct {
		seconds int64
		names   model.MemberName
	}
	tests := map[string]struct {
		claims     map[model.MemberName]claim
		own, known model.MemberName
		want       model.MemberName
	}{
		"nobody recorded anything": {
			claims: map[model.MemberName]claim{"east": {1, ""}, "west": {2, ""}}, own: "east",
		},
		"whom the agent saw stays against all records": {
			claims: map[model.MemberName]claim{"east": {1, "east"}, "west": {2, "east"}}, own: "east", known: "west", want: "west",
		},
		"whom the agent saw has gone": {
			claims: map[model.MemberName]claim{"east": {1, "east"}}, own: "east", known: "west", want: "east",
		},
		"the own record counts more than many": {
			claims: map[model.MemberName]claim{"east": {1, "east"}, "north": {1, "east"}, "west": {2, "west"}}, own: "west", want: "west",
		},
		"the own record names somebody who has gone": {
			claims: map[model.MemberName]claim{"east": {1, "east"}, "west": {2, "gone"}}, own: "west", want: "east",
		},
		"most of the others": {
			claims: map[model.MemberName]claim{"a": {1, "a"}, "b": {2, "c"}, "c": {3, "c"}}, own: "importer", want: "c",
		},
		"a tie goes to the oldest": {
			claims: map[model.MemberName]claim{"a": {2, "a"}, "b": {1, "b"}}, own: "importer", want: "b",
		},
		"a forged record and a forged time move nobody that the agent saw": {
			claims: map[model.MemberName]claim{"east": {100, "east"}, "evil": {1, "evil"}}, own: "importer", known: "east", want: "east",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shards := map[model.MemberName]*model.Shard{}
			for member, one := range tt.claims {
				shards[member] = &model.Shard{
					Member:   &model.Member{Name: member, State: model.Ready},
					Services: model.OffersOf(&model.Offer{Key: key, Exported: time.Unix(one.seconds, 0), Incumbent: one.names}),
				}
			}
			if got := Incumbent(key, shards, tt.own, tt.known); got != tt.want {
				t.Errorf("Incumbent() = %q, want %q", got, tt.want)
			}
		})
	}
}
