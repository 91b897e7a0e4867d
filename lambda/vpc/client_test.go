package vpc_test

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

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
	client := vpc.HTTPClient().WithTransportOptions(func(tr *http.Transport) {
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
