package vpc_test

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"tourniquet/lambda/vpc"
)

// A new connection to a host that was talked to before resumes its session.
func TestSessionsAreResumed(t *testing.T) {
	t.Parallel()
	resumed := make(chan bool, 1)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed <- r.TLS.DidResume
		w.Header().Set("Connection", "close")
	}))
	t.Cleanup(server.Close)
	client := vpc.NewHTTPClient(func(tr *http.Transport) {
		tr.TLSClientConfig.RootCAs = x509.NewCertPool()
		tr.TLSClientConfig.RootCAs.AddCert(server.Certificate())
		tr.TLSClientConfig.ServerName = "example.com" // that the certificate is for
	})
	for turn, want := range []bool{false, true, true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := answer.Body.Close(); err != nil {
			t.Error(err)
		}
		if got := <-resumed; got != want {
			t.Errorf("connection %d: resumed is %v, want %v", turn+1, got, want)
		}
	}
}

// A signed request goes to no other host than the one it was signed for.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the request was sent elsewhere")
	}))
	t.Cleanup(elsewhere.Close)
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("Action=DescribeVpcs"))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := vpc.NewHTTPClient().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Error(err)
	}
	if answer.StatusCode != http.StatusTemporaryRedirect {
		t.Errorf("the answer is %s", answer.Status)
	}
}

// A line is a connection that says how much it has been written to.
type line struct {
	net.Conn
	writes *atomic.Int64
	cut    func() bool // before a write: whether the peer has gone
}

func (l line) Write(p []byte) (int, error) {
	if l.cut() {
		return 0, errors.New("broken pipe")
	}
	l.writes.Add(1)
	return l.Conn.Write(p)
}

// wired makes the SDK's client for a server that answers every call with an empty
// document, over connections that count their writes and are cut when cut says so.
func wired(t *testing.T, cut func() bool) (client *ec2.Client, bodies chan string, writes *atomic.Int64) {
	t.Helper()
	bodies, writes = make(chan string, 8), &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- string(body)
		_, _ = io.WriteString(w, "<DescribeVpcsResponse/>") // a client that has gone fails the test by itself
	}))
	t.Cleanup(server.Close)
	return ec2.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: aws.String(server.URL),
		Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
		Retryer:     func() aws.Retryer { return aws.NopRetryer{} },
		HTTPClient: vpc.NewHTTPClient(func(tr *http.Transport) {
			tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
				return line{c, writes, cut}, err
			}
		}),
	}), bodies, writes
}

func describe(t *testing.T, client *ec2.Client, id string, bodies <-chan string) {
	t.Helper()
	if _, err := client.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{id}}); err != nil {
		t.Fatal(err)
	}
	if got := <-bodies; !strings.HasSuffix(got, "VpcId.1="+id) {
		t.Errorf("the server was asked %q, which does not name %s", got, id)
	}
}

// A request of the SDK is one packet: its head does not go ahead.
func TestARequestIsOnePacket(t *testing.T) {
	t.Parallel()
	client, bodies, writes := wired(t, func() bool { return false })
	for n, id := range []string{"vpc-1", "vpc-2", "vpc-3"} {
		describe(t, client, id, bodies)
		if got := writes.Load(); got != int64(n+1) {
			t.Errorf("%d writes for %d requests", got, n+1)
		}
	}
}

// When a connection was closed while it was idle, the request goes out on another one
// without a retry of the SDK, and whole.
func TestAConnectionThatWasClosedWhileIdle(t *testing.T) {
	t.Parallel()
	var gone atomic.Bool
	client, bodies, _ := wired(t, func() bool { return gone.CompareAndSwap(true, false) })
	describe(t, client, "vpc-1", bodies)
	gone.Store(true)
	describe(t, client, "vpc-2", bodies)
	if gone.Load() {
		t.Error("no connection was used that had been idle")
	}
}

// A body that can't be read, or is not as long as announced, is an error, and nothing is sent.
func TestABodyThatIsNotWhole(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request was sent")
	}))
	t.Cleanup(server.Close)
	for want, body := range map[string]io.Reader{
		"ContentLength=5 with Body length 4":                    io.LimitReader(strings.NewReader("four"), 4),
		"ContentLength=5 with Body length 6":                    io.LimitReader(strings.NewReader("sixsix"), 6),
		"reading a request's body: " + io.ErrNoProgress.Error(): iotest.ErrReader(io.ErrNoProgress),
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = 5
		answer, err := vpc.NewHTTPClient().Do(r)
		if err == nil {
			_ = answer.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want one that says %q", err, want)
		}
	}
}
