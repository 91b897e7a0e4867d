package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/vpc"
)

// sdkConfig is the SDK's configuration, from the variables that Lambda gives a function.
// The SDK's own loader also looks for shared files, single sign-on, containers and
// instances. A function has none of these, and their clients would cost every cold start
// processor time and a tenth of the binary.
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
func sdkConfig(calls *counter) (aws.Config, error) {
	region, id, secret := os.Getenv("AWS_REGION"), os.Getenv("AWS_ACCESS_KEY_ID"), os.Getenv("AWS_SECRET_ACCESS_KEY")
	var errs []error
	if region == "" {
		errs = append(errs, errors.New("AWS_REGION: not set; Lambda sets it"))
	}
	if id == "" || secret == "" {
		errs = append(errs, errors.New("AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: not set; Lambda sets them to those of the function's role"))
	}
	if err := errors.Join(errs...); err != nil {
		return aws.Config{}, fmt.Errorf("reading the environment: %w", err)
	}
	cfg := aws.Config{
		Region:        region,
		Credentials:   credentials.NewStaticCredentialsProvider(id, secret, os.Getenv("AWS_SESSION_TOKEN")),
		AppID:         appID,
		HTTPClient:    vpc.NewHTTPClient(),
		APIOptions:    apiOptions(calls),
		ConfigSources: []any{endpoints{}},
	}
	if all := os.Getenv("AWS_ENDPOINT_URL"); all != "" {
		cfg.BaseEndpoint = &all
	}
	return cfg, nil
}

// endpoints are those that the environment names for single services, as emulators need.
// https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
type endpoints struct{}

// GetServiceBaseEndpoint is what the SDK's clients ask for the endpoint of a service.
func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (endpoint string, found bool, _ error) { //nolint:unparam // the SDK's interface
	endpoint = os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return endpoint, endpoint != "", nil
}
