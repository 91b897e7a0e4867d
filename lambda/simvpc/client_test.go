package simvpc_test

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go"

	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/simvpc/internal/draw"
	"tourniquet/lambda/simvpc/world"
)

const web = draw.Web

// read parses a world's text.
func read(t testing.TB, text string) *world.World {
	t.Helper()
	w, err := simvpc.ParseWorld(text)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// start serves a world, and returns a client that doesn't retry.
func start(t testing.TB, text string, opts simvpc.Options) (*simvpc.Server, *ec2.Client) {
	t.Helper()
	s := simvpc.Start(t, read(t, text), opts)
	return s, client(s, 1)
}

func client(s *simvpc.Server, attempts int) *ec2.Client {
	return ec2.New(ec2.Options{
		BaseEndpoint: aws.String(s.URL),
		Region:       "eu-central-1",
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "SECRET", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = attempts, time.Millisecond
		}),
	})
}

// code is the EC2 error code in an error.
func code(err error) string {
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return refused.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func permit(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// unchanged wants the world to be as it was.
func unchanged(t testing.TB, before *world.World, s *simvpc.Server) {
	t.Helper()
	if diff := world.Diff(before, s.World()); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}
