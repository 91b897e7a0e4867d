//go:build integration

package emulator

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

func TestProbe(t *testing.T) {
	e := MiniStack(t)
	for n := range 1500 {
		req, _ := http.NewRequest("POST", e, strings.NewReader(`{}`))
		req.Header.Set("X-Amz-Target", "DynamoDB_20120810.ListTables")
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=000000000000/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=x")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(n, err)
			continue
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || n < 2 {
			t.Error(n, string(b), err, resp.Proto, resp.Header, resp.ContentLength, resp.Close)
		}
		resp.Body.Close()
	}
}
