package discovery

import (
	"log/slog"
	"testing"

	"github.com/go-logr/logr"
	"go.uber.org/goleak"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/klog/v2"
)

func TestMain(m *testing.M) {
	klog.SetLogger(logr.FromSlogHandler(slog.DiscardHandler))
	// Of Kubernetes' handlers of errors the second one holds up whoever has had an error a
	// moment ago. It knows one clock for the process, and bubbles have their own.
	utilruntime.ErrorHandlers = utilruntime.ErrorHandlers[:1]
	goleak.VerifyTestMain(m)
}
