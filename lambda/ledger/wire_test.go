package ledger

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// A wire stands for DynamoDB as seen through the real client: it keeps the calls
// that arrive, and a test decides about the answers.
type wire struct {
	mu    sync.Mutex
	calls []call
}

type call struct {
	operation string
	body      map[string]any
}

// A reply answers one call. An empty body is an answer that gets lost.
type reply struct {
	status int
	body   string
}

var (
	done = reply{200, `{}`}
	lost = reply{}
)

func fault(code string) reply {
	return reply{400, fmt.Sprintf(`{"__type":"com.amazonaws.dynamodb.v20120810#%s","message":"told so"}`, code)}
}

// canceled is the answer to a transaction with the reasons for each item, which
// can be followed by the stored item in DynamoDB's JSON: `ConditionalCheckFailed {…}`.
func canceled(reasons ...string) reply {
	var all []string
	for _, r := range reasons {
		code, item, _ := strings.Cut(r, " ")
		if item != "" {
			item = `,"Item":` + item
		}
		all = append(all, fmt.Sprintf(`{"Code":%q%s}`, code, item))
	}
	return reply{400, fmt.Sprintf(
		`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException","Message":"cancelled","CancellationReasons":[%s]}`,
		strings.Join(all, ","))}
}

// inTurn gives each call the next reply, and the last one from then on.
func inTurn(replies ...reply) func(int, call) reply {
	return func(n int, _ call) reply { return replies[min(n, len(replies)-1)] }
}

// newWire is a table whose calls are answered by a function of how many came
// before and the call itself.
func newWire(t *testing.T, answer func(n int, c call) reply) (*Table, *wire) {
	t.Helper()
	w := &wire{}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return // the caller has gone
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		c := call{operation: operation}
		if err := json.Unmarshal(raw, &c.body); err != nil && r.Context().Err() == nil { // the client may give a call up
			t.Errorf("%s: %v", operation, err)
		}
		checkNamed(t, c.body)
		w.mu.Lock()
		n := len(w.calls)
		w.calls = append(w.calls, c)
		w.mu.Unlock()
		a := answer(n, c)
		if a == lost {
			panic(http.ErrAbortHandler)
		}
		rw.Header().Set("Content-Type", "application/x-amz-json-1.0")
		rw.WriteHeader(a.status)
		_, _ = io.WriteString(rw, a.body)
	}))
	t.Cleanup(server.Close)
	return &Table{Name: "ledger", Client: dynamodb.New(dynamodb.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: &http.Client{Transport: loopback{}},
		Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		Retryer:     retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})}, w
}

// said are the calls so far.
func (w *wire) said() []call {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.calls)
}

// writes are the items of a transaction, as one line each: what, where, and the
// condition and the update with names and values put in.
func (c call) writes() []string {
	items, _ := c.body["TransactItems"].([]any)
	var lines []string
	for _, i := range items {
		for what, w := range i.(map[string]any) {
			lines = append(lines, what+" "+spell(w.(map[string]any)))
		}
	}
	return lines
}

var placeholder = regexp.MustCompile(`[#:]\w+`)

// checkNamed: DynamoDB refuses what names or values something that no expression uses, and
// the other way round.
func checkNamed(t *testing.T, body map[string]any) {
	t.Helper()
	items, _ := body["TransactItems"].([]any)
	for _, i := range items {
		for _, w := range i.(map[string]any) {
			checkNamed(t, w.(map[string]any))
		}
	}
	used, given := map[string]bool{}, map[string]bool{}
	for what, text := range body {
		if strings.HasSuffix(what, "Expression") {
			for _, p := range placeholder.FindAllString(text.(string), -1) {
				used[p] = true
			}
		}
	}
	for _, what := range []string{"ExpressionAttributeNames", "ExpressionAttributeValues"} {
		all, there := body[what].(map[string]any)
		if there && len(all) == 0 {
			t.Errorf("%s is empty, which DynamoDB refuses", what)
		}
		for p := range all {
			given[p] = true
		}
	}
	if !maps.Equal(used, given) {
		t.Errorf("the expressions use %v, and given are %v", used, given)
	}
}

func spell(w map[string]any) string {
	where, _ := w["Key"].(map[string]any)
	if where == nil {
		where, _ = w["Item"].(map[string]any)
	}
	text := fmt.Sprint("if ", w["ConditionExpression"])
	if u, ok := w["UpdateExpression"]; ok {
		text += fmt.Sprint(" then ", u)
	}
	names, _ := w["ExpressionAttributeNames"].(map[string]any)
	values, _ := w["ExpressionAttributeValues"].(map[string]any)
	text = placeholder.ReplaceAllStringFunc(text, func(p string) string {
		if name, ok := names[p].(string); ok {
			return name
		}
		return plain(values[p])
	})
	return strings.Join(append([]string{plain(where[PartitionKey]), plain(where[SortKey])}, strings.Fields(text)...), " ")
}

// plain shows a value in DynamoDB's JSON without its type.
func plain(v any) string {
	m, _ := v.(map[string]any)
	for _, v := range m {
		if v == true {
			return "null"
		}
		return fmt.Sprint(v)
	}
	return ""
}

// token is what makes a repeated transaction the same one.
func (c call) token() string {
	token, _ := c.body["ClientRequestToken"].(string)
	return token
}

// A loopback sends requests to a server next door. Such a server's answer can be
// here before net/http has had its last look at the request's body, which the SDK
// then has closed: a closed body that has WriteTo fails that look (smithy-go
// v1.28.8, transport/http/internal/io), net/http drops the connection, and the
// SDK repeats a call that was answered. Without WriteTo, it just ends.
type loopback struct{}

func (loopback) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Body != nil {
		r.Body = struct {
			io.Reader
			io.Closer
		}{r.Body, r.Body}
	}
	return http.DefaultTransport.RoundTrip(r)
}
