package meter

import (
	"os"
	"testing"
	"time"
)

func TestOfThisProcess(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	before, err := WorkedExactly(pid)
	if err != nil {
		t.Fatal(err)
	}
	held := make([]byte, 32<<20)
	var after time.Duration
	for after-before < 3*tick { // it has a processor sooner or later
		for i := 0; i < len(held); i += 1024 {
			held[i]++
		}
		if after, err = WorkedExactly(pid); err != nil {
			t.Fatal(err)
		}
	}
	coarse, err := Worked(pid)
	if err != nil || coarse == 0 {
		t.Errorf("in ticks %s, %v", coarse, err)
	}
	memory, err := MemoryOf(pid)
	if err != nil || memory.Now < 32<<20 || memory.Peak < memory.Now {
		t.Errorf("memory %+v, %v", memory, err)
	}
	if err := ForgetPeak(pid); err != nil {
		t.Error(err)
	}
	held[0]++
}

func TestOfNoProcess(t *testing.T) {
	t.Parallel()
	if _, err := MemoryOf(-1); err == nil {
		t.Error("memory of no process")
	}
	if _, err := Worked(-1); err == nil {
		t.Error("time of no process")
	}
	if _, err := WorkedExactly(-1); err == nil {
		t.Error("exact time of no process")
	}
}
