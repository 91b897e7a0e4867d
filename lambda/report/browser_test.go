package report

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// tools are the development tools of npm, where axe-core is.
const tools = "../../infra/_tools/node_modules/axe-core/axe.min.js"

// need skips a test for want of a tool, and fails it in CI.
func need(t *testing.T, missing string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
}

// browser starts a headless Chromium that ends with the test.
func browser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		need(t, "no Chromium: install Debian's chromium package")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(end)
	return ctx
}

// overflow names what is wider than the screen, or than its box in a picture.
const overflow = `(() => {
  const found = [], wide = window.innerWidth;
  if (document.documentElement.scrollWidth > wide) found.push("the page: " + document.documentElement.scrollWidth);
  for (const e of document.body.querySelectorAll("*")) {
    const r = e.getBoundingClientRect();
    if (r.width && (r.right > wide + 1 || r.left < -1)) found.push(e.tagName + "." + (e.className.baseVal ?? e.className) + " ends at " + Math.round(r.right));
  }
  for (const g of document.querySelectorAll("svg g")) {
    const rect = g.querySelector("rect");
    if (!rect || !rect.getBoundingClientRect().width) continue;
    const right = rect.getBoundingClientRect().right;
    for (const t of g.querySelectorAll("text")) {
      if (t.getBoundingClientRect().right > right) found.push("label " + t.textContent);
    }
  }
  return found;
})()`

// faults are axe's serious and critical violations.
const faults = `axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations
  .filter(v => v.impact === "serious" || v.impact === "critical")
  .map(v => v.id + ": " + v.help + " " + v.nodes.slice(0, 3).map(n => n.target + " " + n.failureSummary).join("; ")))`

// In a real browser the report has no console error and loads nothing, nothing overflows
// on a telephone, on a desk or on paper, and axe finds no serious fault, light or dark.
// With TOURNIQUET_SCREENSHOTS naming a folder, it leaves pictures there.
func TestInBrowser(t *testing.T) {
	if testing.Short() {
		t.Skip("a browser takes a while")
	}
	axe, err := os.ReadFile(tools)
	if err != nil {
		need(t, "no axe-core: run make deploy-tools")
	}
	ctx := browser(t)
	var mu sync.Mutex
	var said []string
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	err = chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			said = append(said, "exception: "+e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			said = append(said, "console: "+e.Type.String())
		case *log.EventEntryAdded:
			said = append(said, "log: "+e.Entry.Text)
		case *network.EventRequestWillBeSent:
			if url := e.Request.URL; !strings.HasPrefix(url, "file:") && !strings.HasPrefix(url, "data:") {
				said = append(said, "request: "+url)
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, log.Enable, struct{}{}); err != nil {
		t.Fatal(err)
	}
	for name, d := range documents() {
		file := filepath.Join(t.TempDir(), name+".html")
		if err := os.WriteFile(file, []byte(rendered(t, d)), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, width := range []int64{360, 1440} {
			for _, scheme := range []string{"light", "dark", "print"} {
				look(ctx, t, fmt.Sprintf("%s-%d-%s", name, width, scheme), file, width, scheme, string(axe))
			}
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(said) > 0 {
		t.Errorf("the browser says: %q", said)
	}
}

// look opens a report as one reader does, and says what is wrong with it.
func look(ctx context.Context, t *testing.T, name, file string, width int64, scheme, axe string) {
	t.Helper()
	media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	if scheme == "print" {
		media = emulation.SetEmulatedMediaParams{Media: "print"}
	}
	if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, media); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if err := chromedp.Do(ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate("file://"+file)); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	over := run(ctx, t, chromedp.Evaluate[[]string](overflow))
	run(ctx, t, chromedp.Evaluate[bool](axe+";true"))
	wrong := run(ctx, t, chromedp.Evaluate[[]string](faults, chromedp.EvalAwaitPromise))
	picture := run(ctx, t, chromedp.FullScreenshot(100))
	for _, o := range over {
		t.Errorf("%s overflows: %s", name, o)
	}
	for _, w := range wrong {
		t.Errorf("%s is not accessible: %s", name, w)
	}
	if dir := os.Getenv("TOURNIQUET_SCREENSHOTS"); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// run is the value of an action that must not fail.
func run[T any](ctx context.Context, t *testing.T, a chromedp.Action[T]) T {
	t.Helper()
	value, err := chromedp.Run(ctx, a)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
