package flowlog

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/network"
	"tourniquet/lambda/record"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/flowlog"
	"tourniquet/lambda/simvpc/world"
)

var began = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func start(t *testing.T, lines string) (*simvpc.Server, *Client) {
	t.Helper()
	w, err := simvpc.ParseWorld(`account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
group sg-web vpc-1
  in tcp 443 0.0.0.0/0
instance i-0aaaaaaaaaaaaaaa1
interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 public 203.0.113.10 groups sg-web
interface eni-2 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.11 device 1 groups sg-web
log-group flows
log-group others
` + lines)
	if err != nil {
		t.Fatal(err)
	}
	s := simvpc.Start(t, w, simvpc.Options{Clock: func() time.Time { return began }})
	return s, &Client{Group: "flows", Role: "arn:aws:iam::111122223333:role/deliver", Config: aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.URL), Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
	}}
}

func logs(s *simvpc.Server) (ids []string) {
	for _, f := range s.World().FlowLogs {
		ids = append(ids, f.ID+" "+f.Resource)
	}
	return ids
}

// An answer of 200 may hold a failure, for one resource. A flow log of ours that exists
// already is as good as a new one; one of somebody else's is not.
func TestMaking(t *testing.T) {
	t.Parallel()
	s, c := start(t, "")
	steps := []record.Step{record.FlowLogOf("eni-1"), record.FlowLogOf("eni-9"), record.FlowLogOf("eni-2"), record.HostOf("i-0aaaaaaaaaaaaaaa1")}
	first := Making{c}.Take(t.Context(), steps)
	if first[0].Err != nil || len(first[0].Made) != 1 || first[2].Err != nil {
		t.Fatalf("%+v", first)
	}
	if first[1].Err == nil || !strings.Contains(first[1].Err.Error(), "InvalidNetworkInterface") || first[3].Err == nil {
		t.Errorf("an interface that does not exist: %v; a step of another kind: %v", first[1].Err, first[3].Err)
	}
	again := Making{c}.Take(t.Context(), steps[:1])
	if again[0].Err != nil || again[0].Made[0] != first[0].Made[0] || len(logs(s)) != 2 {
		t.Errorf("made again: %+v, want %v; there are %v", again[0], first[0].Made, logs(s))
	}
	s.Edit(func(w *world.World) {
		for _, f := range w.FlowLogs {
			if f.Resource == "eni-1" {
				f.Tags = nil
			}
		}
	})
	if foreign := (Making{c}).Take(t.Context(), steps[:1]); foreign[0].Err == nil {
		t.Errorf("somebody else's flow log is taken for ours: %v", foreign[0].Made)
	}
}

// The code that says so may be the call's own.
func TestMakingWhatExistsByTheCallsError(t *testing.T) {
	t.Parallel()
	s, c := start(t, "")
	step := []record.Step{record.FlowLogOf("eni-1")}
	first := Making{c}.Take(t.Context(), step)[0]
	s.Inject(simvpc.Fault{Op: "CreateFlowLogs", Kind: simvpc.ErrorCode, Code: "FlowLogAlreadyExists", Count: -1})
	if again := (Making{c}).Take(t.Context(), step)[0]; again.Err != nil || !slices.Equal(again.Made, first.Made) {
		t.Errorf("%+v, want %v", again, first.Made)
	}
}

// What is deleted is ours, whether or not its id is known. What is gone is deleted.
func TestDeleting(t *testing.T) {
	t.Parallel()
	s, c := start(t, "flow-log fl-0f eni-1 group others role arn:aws:iam::111122223333:role/x interval 60\n")
	steps := []record.Step{record.FlowLogOf("eni-1"), record.FlowLogOf("eni-2")}
	Making{c}.Take(t.Context(), steps)
	if len(logs(s)) != 3 {
		t.Fatalf("there are %v", logs(s))
	}
	for range 2 {
		for _, r := range (Deleting{c}).Take(t.Context(), steps) {
			if r.Err != nil {
				t.Error(r.Err)
			}
		}
		if got := logs(s); len(got) != 1 || got[0] != "fl-0f eni-1" {
			t.Errorf("left are %v", got)
		}
	}
}

// What the log has comes back, from a time on, of the interfaces that were asked for.
func TestReading(t *testing.T) {
	t.Parallel()
	s, c := start(t, "flow tcp 10.0.1.10:44321 -> 198.51.100.7:443 tracked eni-1\n")
	Making{c}.Take(t.Context(), []record.Step{record.FlowLogOf("eni-1"), record.FlowLogOf("eni-2")})
	s.ScriptFlowLog("eni-1", flowlog.Script{}, flowlog.Script{Status: flowlog.SkipData})
	s.Advance(20 * time.Minute)
	got := all(t, c.Read(t.Context(), map[string]time.Time{"eni-1": began.Add(4 * time.Minute), "eni-2": began}))
	ways, none := map[bool]int{}, 0
	for _, r := range got {
		switch {
		case r.Interface == "eni-2" && r.Status == network.FlowNoData:
			none++
		case r.Interface == "eni-1" && r.Status == network.FlowOK:
			ways[r.Egress]++
			if r.Far().String() != "198.51.100.7:443" || r.Protocol != 6 || !r.Accepted || r.Bytes == 0 || r.End.Sub(r.Start) > time.Minute {
				t.Errorf("%+v", r)
			}
			if r.Start.Before(began.Add(2 * time.Minute)) {
				t.Errorf("%+v is too early", r)
			}
		default:
			t.Errorf("%+v", r)
		}
	}
	if ways[true] < 10 || ways[true] != ways[false] || none < 10 {
		t.Errorf("%d records out, %d in, %d without data", ways[true], ways[false], none)
	}
	lost := all(t, c.Read(t.Context(), map[string]time.Time{"eni-1": began}))
	if len(lost) != len(got)-none+1+2 {
		t.Errorf("from the beginning %d records; want those from the middle on, two more and the lost window", len(lost))
	}
}

// all are the records of all interfaces.
func all(t *testing.T, reads map[string]network.FlowLogRead) (records []network.FlowRecord) {
	t.Helper()
	for eni, r := range reads {
		if r.Err != nil {
			t.Fatalf("%s: %s", eni, r.Err)
		}
		records = append(records, r.Records...)
	}
	return records
}

// The flow logs of many interfaces are read in as many calls as there are pages. One that
// lags behind by hours is read by itself, and takes the others nowhere.
func TestReadingManyTogether(t *testing.T) {
	t.Parallel()
	var lines strings.Builder
	steps, from := []record.Step{}, map[string]time.Time{}
	for n := range 100 {
		eni := fmt.Sprintf("eni-m%02d", n)
		fmt.Fprintf(&lines, "interface %s i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.%d device %d groups sg-web\n", eni, 100+n, n+2)
		steps, from[eni] = append(steps, record.FlowLogOf(eni)), began.Add(4*time.Hour)
	}
	s, c := start(t, lines.String())
	for _, r := range (Making{c}).Take(t.Context(), steps) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	s.Advance(4*time.Hour + 20*time.Minute)
	s.ClearLog()
	got := c.Read(t.Context(), from)
	together := reads(s)
	if len(got) != 100 || together > 1+len(all(t, got))/10_000 {
		t.Errorf("%d interfaces with %d records in %d calls", len(got), len(all(t, got)), together)
	}
	from["eni-m00"] = began
	s.ClearLog()
	lagging := c.Read(t.Context(), from)
	if got := reads(s); got > together+1 {
		t.Errorf("%d calls with one that lags behind, %d without", got, together)
	}
	for eni, read := range lagging {
		want := len(got[eni].Records)
		if eni == "eni-m00" && len(read.Records) < want+3*60 || eni != "eni-m00" && len(read.Records) != want {
			t.Errorf("%s: %d records, %d before", eni, len(read.Records), want)
		}
	}
}

// reads counts the pages that were read. A call that the SDK makes once more, where a
// connection broke, is not another page.
func reads(s *simvpc.Server) int {
	pages := map[string]bool{}
	for _, c := range s.Calls() {
		if c.Op == "FilterLogEvents" {
			pages[c.Params.Encode()] = true
		}
	}
	return len(pages)
}

// One who says so much that the others would be left out is read by itself, and so are they.
func TestReadingBesideOneWhoSaysTooMuch(t *testing.T) {
	t.Parallel()
	_, c := start(t, "")
	flood := 0
	c.Config.HTTPClient = httpFunc(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		answer, line := `{"events":[]}`, func(eni string) string {
			return fmt.Sprintf(`{"message":"5 %s %d %d NODATA - - - - - - - - -"}`, eni, began.Unix(), began.Unix()+60)
		}
		switch {
		case !strings.Contains(string(body), "logStreamNamePrefix"):
			flood++
			answer = fmt.Sprintf(`{"events":[%s],"nextToken":"%d"}`, line("eni-1"), flood)
		case strings.Contains(string(body), `"logStreamNamePrefix":"eni-2"`):
			answer = fmt.Sprintf(`{"events":[%s]}`, line("eni-2"))
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}}, Body: io.NopCloser(strings.NewReader(answer)), Request: r,
		}, nil
	})
	reads := c.Read(t.Context(), map[string]time.Time{"eni-1": began, "eni-2": began})
	if flood != maxPagesTogether || len(reads["eni-2"].Records) != 1 || reads["eni-2"].Err != nil {
		t.Errorf("after %d pages of both: %+v", flood, reads)
	}
}

type httpFunc func(*http.Request) (*http.Response, error)

func (f httpFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// FuzzParse: whatever a line is, a record has valid ends or none.
func FuzzParse(f *testing.F) {
	f.Add("5 eni-1 1700000000 1700000060 OK 10.0.1.10 44321 198.51.100.7 443 6 egress ACCEPT 2 840")
	f.Add("5 eni-1 1700000000 1700000060 NODATA - - - - - - - - -")
	f.Add("5 eni-1 1700000060 1700000000 SKIPDATA - - - - - - - - -")
	f.Add("5 eni-1 1 2 OK ::ffff:1.2.3.4 - fe80::1%x 70000 x ingress REJECT - -1")
	f.Fuzz(func(t *testing.T, line string) {
		r, ok := parse(line)
		if ok && (r.End.Before(r.Start) || r.Interface == "") {
			t.Errorf("%q: %+v", line, r)
		}
		if ok && r.Status == network.FlowOK && (!r.From.IsValid() || !r.To.IsValid() || r.From.Addr().Is4In6() || r.Far().Addr().Zone() != "") {
			t.Errorf("%q: %+v", line, r)
		}
	})
}
