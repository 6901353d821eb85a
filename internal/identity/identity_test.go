package identity

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

func TestMemberName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("very-long-name-", 6)
	for context, want := range map[string]string{
		"east":                           "east",
		"East_Cluster":                   "east-cluster",
		"kind-east":                      "kind-east",
		"admin@east.example.com":         "admin-east-example-com",
		"gke_proj_us-central1_one":       "cn-proj-us-central1-one",
		"gke_only":                       "gke-only",
		"arn:aws:eks:eu-1:12:cluster/e1": "arn-aws-eks-eu-1-12-cluster-e1",
		"--a--b--":                       "a-b",
		"":                               "cluster-" + digest("", 8),
		"日本":                             "cluster-" + digest("日本", 8),
		"süd":                            "s-d",
		long:                             "very-long-name-very-long-name-very-long-na-" + digest(strings.TrimSuffix(long, "-"), 20),
	} {
		got := MemberName(context)
		if got != want {
			t.Errorf("MemberName(%q) = %q, want %q", context, got, want)
		}
		if err := CheckName(got); err != nil {
			t.Errorf("MemberName(%q) = %q: %v", context, got, err)
		}
	}
}

func TestDigestIsThatOfSha256sum(t *testing.T) {
	t.Parallel()
	// echo abc | sha256sum | head -c20
	if got := digest("abc", 20); got != "edeaaff3f1774ad28886" {
		t.Errorf("digest is %s", got)
	}
}

func TestUniqueNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for name, tc := range map[string]struct{ in, want []string }{
		"no clash":                   {[]string{"a", "b"}, []string{"a", "b"}},
		"the first keeps its name":   {[]string{"a", "a", "a"}, []string{"a", "a-2", "a-3"}},
		"given names are left alone": {[]string{"a", "a", "a-2"}, []string{"a", "a-3", "a-2"}},
		"a given name twice":         {[]string{"a-2", "a", "a", "a-2"}, []string{"a-2", "a", "a-3", "a-2-2"}},
		"long names stay labels":     {[]string{long, long}, []string{long, long[:61] + "-2"}},
		"nothing":                    {nil, []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := UniqueNames(tc.in); !slices.Equal(got, tc.want) {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestCheckName(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"east": "", "1a": "", "": "is empty", "East": `"E" at position 1`, "a_b": `"_" at position 2`,
		"-a": `"-" at position 1`, "a\x00": `"\x00" at position 2`, strings.Repeat("a", 64): "64 bytes",
	} {
		err := CheckName(name)
		if (err == nil) != (text == "") || err != nil && !strings.Contains(err.Error(), text) {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, text)
		}
	}
}

func FuzzMemberName(f *testing.F) {
	f.Add("gke_a_b_c")
	f.Add(strings.Repeat("x-", 100))
	f.Fuzz(func(t *testing.T, context string) {
		name := MemberName(context)
		if len(validation.IsDNS1123Label(name)) > 0 {
			t.Fatalf("MemberName(%q) = %q", context, name)
		}
		for _, unique := range UniqueNames([]string{name, name, name}) {
			if len(validation.IsDNS1123Label(unique)) > 0 {
				t.Fatalf("unique name %q", unique)
			}
		}
	})
}
