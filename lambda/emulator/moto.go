package emulator

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
)

// MotoEC2 is the EC2 of a moto, with an answer to the filters that moto doesn't have: no
// interface has a public or an IPv6 address, and ACLs it finds by their id under another
// name. It stops when the test ends.
func MotoEC2(tb testing.TB, moto string) string {
	tb.Helper()
	target, err := url.Parse(moto)
	if err != nil {
		tb.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		form, _ := url.ParseQuery(string(body)) // what is no form is moto's to refuse
		switch form.Get("Filter.1.Name") {
		case "association.public-ip", "ipv6-addresses.ipv6-address":
			_, _ = io.WriteString(w, `<DescribeNetworkInterfacesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">`+
				`<requestId>none</requestId><networkInterfaceSet/></DescribeNetworkInterfacesResponse>`)
			return
		case "network-acl-id":
			form.Set("Filter.1.Name", "association.network-acl-id")
			body = []byte(form.Encode())
		}
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(server.Close)
	return server.URL
}
