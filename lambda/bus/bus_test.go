package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/notice"
)

type entry struct {
	Source, DetailType, Detail string
	Resources                  []string
	EventBusName               *string
}

// wire is an event bus that refuses the entries of one detail type.
type wire struct {
	taken  []entry
	calls  int
	refuse string
}

func (w *wire) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	var in struct{ Entries []entry }
	_ = json.Unmarshal(raw, &in)
	w.calls++
	var results []string
	failed := 0
	for _, e := range in.Entries {
		if e.DetailType == w.refuse {
			failed++
			results = append(results, `{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"}`)
			continue
		}
		w.taken = append(w.taken, e)
		results = append(results, `{"EventId":"1"}`)
	}
	rw.Header().Set("Content-Type", "application/x-amz-json-1.1")
	_, _ = fmt.Fprintf(rw, `{"FailedEntryCount":%d,"Entries":[%s]}`, failed, strings.Join(results, ","))
}

func serve(t *testing.T, w http.Handler) *Bus {
	t.Helper()
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	return New(aws.Config{
		Region: "eu-west-1", BaseEndpoint: &server.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
	})
}

func events(n int) []notice.Event {
	var all []notice.Event
	for i := range n {
		all = append(all, notice.Event{
			DetailType: notice.DetailTypes[i%2], Resources: []string{fmt.Sprintf("arn:aws:ec2:::instance/i-%d", i)}, Detail: "{}",
		})
	}
	return all
}

// The bus takes all events, more than a call has room for, on the default bus under
// our source.
func TestPut(t *testing.T) {
	t.Parallel()
	w := &wire{}
	for i, err := range serve(t, w).Put(t.Context(), events(23)) {
		if err != nil {
			t.Errorf("event %d: %v", i, err)
		}
	}
	if w.calls != 3 || len(w.taken) != 23 {
		t.Fatalf("%d calls took %d events, want 3 and 23", w.calls, len(w.taken))
	}
	for i, e := range w.taken {
		if e.Source != notice.Source || e.EventBusName != nil || e.Resources[0] != events(23)[i].Resources[0] {
			t.Errorf("event %d became %+v", i, e)
		}
	}
}

// A call that succeeds may have refused some of its entries: each has its own error,
// and those that were taken have none.
func TestRefusedEntries(t *testing.T) {
	t.Parallel()
	w := &wire{refuse: notice.DetailTypes[1]}
	errs := serve(t, w).Put(t.Context(), events(12))
	if len(errs) != 12 {
		t.Fatalf("%d results for 12 events", len(errs))
	}
	for i, err := range errs {
		refused, ok := errors.AsType[*EntryError](err)
		if ok != (i%2 == 1) {
			t.Errorf("event %d: %v", i, err)
		}
		if ok && (refused.Code != "ThrottlingException" || refused.Resources[0] != events(12)[i].Resources[0]) {
			t.Errorf("event %d: %+v", i, refused)
		}
	}
}

// A call that fails leaves all its events undelivered.
func TestFailedCall(t *testing.T) {
	t.Parallel()
	b := serve(t, http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(http.StatusForbidden) }))
	for i, err := range b.Put(t.Context(), events(3)) {
		if err == nil {
			t.Errorf("event %d has no error", i)
		}
	}
	if errs := b.Put(t.Context(), nil); len(errs) != 0 {
		t.Errorf("no event: %v", errs)
	}
}
