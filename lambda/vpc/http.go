package vpc

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

const (
	// idleConnections is how many stay open between invocations.
	idleConnections = 64
	// sessions is of how many hosts a TLS session is kept. There is one for each AWS service.
	sessions = 16
)

// An HTTPClient sends the SDK's requests. Several goroutines may use it at once.
//
// It follows no redirect: a request is signed for one host, and is sent to no other.
type HTTPClient struct{ transport *http.Transport }

// NewHTTPClient makes a client that keeps as many connections open as a containment makes
// calls at once. By default Go keeps two to a host, and every further call costs a TLS
// handshake in the middle of an incident. What stays idle is closed after a while. The
// handshakes of the next incident resume the sessions of before, which takes a third less
// processor time: no certificate is verified again for each of a dozen connections.
//
// The options change its transport further.
func NewHTTPClient(options ...func(*http.Transport)) *HTTPClient {
	t := awshttp.NewBuildableClient().GetTransport()
	t.MaxIdleConns = 2 * idleConnections
	t.MaxIdleConnsPerHost = idleConnections
	t.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(sessions)
	for _, option := range options {
		option(t)
	}
	return &HTTPClient{t}
}

// Do sends a request, and hands net/http its body as bytes in memory. The SDK passes a
// stream. A stream's next byte may take its time, so that net/http sends the head ahead in a
// packet of its own. Nor can it begin a stream again when a connection turns out to have
// been closed while it was idle. The SDK's own retry would pause first.
//
// An error says why the body can't be read, that it is longer or shorter than announced,
// which net/http finds before anything is sent, or why no answer came.
func (c *HTTPClient) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.ContentLength > 0 {
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return nil, fmt.Errorf("reading a request's body: %w", err)
		}
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.transport.RoundTrip(r)
}
