package host

import "testing"

func TestWithin(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{"/run/lab-c1": true, "/run/lab-c1/x": true, "/run/lab-c11": false, "/run": false} {
		if got := within(path, "/run/lab-c1"); got != want {
			t.Errorf("within(%q) = %t, want %t", path, got, want)
		}
	}
}

func TestUnescape(t *testing.T) {
	t.Parallel()
	if got := unescape(`/a\040b\134c`); got != `/a b\c` {
		t.Errorf("unescape = %q", got)
	}
}

func TestMountsFindsWhatIsMounted(t *testing.T) {
	t.Parallel()
	points, err := Mounts("/proc")
	if err != nil || len(points) == 0 || points[0] != "/proc" {
		t.Errorf("Mounts(/proc) = %v, %v", points, err)
	}
}
