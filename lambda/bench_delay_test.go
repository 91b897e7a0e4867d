//go:build integration

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// A delay stands before DynamoDB: each answer comes so much later. It notes how long
// DynamoDB took itself, and can give DynamoDB's answers again without asking it.
type delay struct {
	dynamo http.Handler
	by     time.Duration

	mu     sync.Mutex
	calls  []served
	record map[string][]string // answers by question, in turn; nil: DynamoDB is asked
	given  map[string]int      // how many of them have been given
	victim [2]string           // the instance of the record, and the one that it now stands for
}

const transaction = "TransactWriteItems"

type served struct {
	operation, question, answer string
	took                        time.Duration
}

func delayed(b *testing.B, target string, by time.Duration) (string, *delay) {
	b.Helper()
	u, err := url.Parse(target)
	if err != nil {
		b.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 64}
	d := &delay{dynamo: proxy, by: by, given: map[string]int{}}
	server := httptest.NewServer(d)
	b.Cleanup(server.Close)
	return server.URL, d
}

func (d *delay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	time.Sleep(d.by)
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	call := served{operation: operation, question: question(operation, body)}
	start := time.Now()
	answer, known := d.recorded(call.question)
	if !known {
		r.Body = io.NopCloser(bytes.NewReader(body))
		got := httptest.NewRecorder()
		d.dynamo.ServeHTTP(got, r)
		if got.Code != http.StatusOK {
			http.Error(w, got.Body.String(), got.Code)
			return
		}
		answer = got.Body.String()
	}
	call.answer, call.took = answer, time.Since(start)
	d.mu.Lock()
	d.calls = append(d.calls, call)
	d.mu.Unlock()
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	_, _ = io.WriteString(w, answer) // a caller that has gone doesn't matter
}

// question tells the calls of one containment apart that have different answers.
// What is written has times in it, and one answer.
func question(operation string, body []byte) string {
	var content map[string]any
	if operation == transaction || json.Unmarshal(body, &content) != nil {
		return operation
	}
	return operation + fmt.Sprint(content) // maps print in the order of their keys
}

// replay gives the answers so far again from now on, in the same order after each
// clear.
func (d *delay) replay(victim string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.victim = [2]string{victim, victim}
	d.record = map[string][]string{}
	for _, c := range d.calls {
		d.record[c.question] = append(d.record[c.question], c.answer)
	}
}

// about says which instance the answers are of, instead of the one that they were of.
func (d *delay) about(victim string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.victim[1] = victim
}

func (d *delay) recorded(question string) (answer string, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.record == nil {
		return "", false
	}
	question = strings.ReplaceAll(question, d.victim[1], d.victim[0])
	n, all := d.given[question], d.record[question]
	if question == transaction && n == len(all) { // a step beside the cut was late for the last one
		n--
	}
	if n >= len(all) {
		return "", false
	}
	d.given[question]++
	return strings.ReplaceAll(all[n], d.victim[0], d.victim[1]), true
}

// share is how much of the way to the first change was DynamoDB's own time: the
// slowest of the reads before the first write, and that write.
func (d *delay) share() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	var read time.Duration
	for _, c := range d.calls {
		if c.operation == transaction {
			return read + c.took
		}
		read = max(read, c.took)
	}
	return read
}

func (d *delay) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls, d.given = nil, map[string]int{}
}
