package vpc_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"tourniquet/lambda/network"
	"tourniquet/lambda/simvpc"
	"tourniquet/lambda/vpc"
)

// A wire carries calls to a simulated EC2 without a network, so that they can be made
// on synctest's clock.
type wire struct{ server *simvpc.Server }

func (w wire) Do(r *http.Request) (*http.Response, error) {
	got := httptest.NewRecorder()
	w.server.ServeHTTP(got, r)
	return got.Result(), nil
}

// A client asks once for the owner of an address, and for places, and again only when
// what it remembers is too old to be believed.
func TestWhatIsRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, err := simvpc.ParseWorld(`account 111122223333
region eu-central-1
vpc vpc-1 10.0.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24
subnet subnet-2 vpc-1 10.0.2.0/24
group sg-web vpc-1
instance ` + victim + `
interface eni-1 ` + victim + ` subnet-1 10.0.1.10 groups sg-web
interface eni-2 - subnet-2 10.0.2.20 groups sg-web managed amazon-elb
`)
		if err != nil {
			t.Fatal(err)
		}
		server := simvpc.New(w, simvpc.Options{})
		client := vpc.New(aws.Config{
			Region: "eu-central-1", BaseEndpoint: aws.String("http://ec2.invalid"), HTTPClient: wire{server},
			Credentials: credentials.NewStaticCredentialsProvider("AKIDTEST", "SECRET", ""),
		})
		observe := func() string {
			server.ClearLog()
			seen, err := client.Observe(t.Context(), network.Target{
				Instance: victim, Subnets: []string{"subnet-1"}, VPCs: []string{"vpc-1"},
				Peers: []netip.Addr{netip.MustParseAddr("10.0.2.20"), netip.MustParseAddr("198.51.100.7")},
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := seen.Owners[netip.MustParseAddr("10.0.2.20")].Service; got != "amazon-elb" || len(seen.Owners) != 1 {
				t.Errorf("the owners are %v", seen.Owners)
			}
			if len(seen.Subnets["subnet-1"].Prefixes) != 1 || len(seen.Ranges["vpc-1"]) != 1 || seen.Subnets["subnet-1"].ACL == "" {
				t.Errorf("places are missing: %+v, %v", seen.Subnets, seen.Ranges)
			}
			calls := map[string]int{}
			for _, c := range server.Calls() {
				calls[strings.TrimPrefix(c.Op, "Describe")]++
			}
			return fmt.Sprint(calls)
		}
		const standing = "Instances:1 NetworkAcls:1 NetworkInterfaces:%d SecurityGroups:1%s"
		for _, step := range []struct {
			after time.Duration
			want  string
		}{
			{0, fmt.Sprintf(standing, 3, " Subnets:1 Vpcs:1")},
			{time.Second, fmt.Sprintf(standing, 1, "")},
			{time.Minute, fmt.Sprintf(standing, 3, "")},
			{5 * time.Minute, fmt.Sprintf(standing, 3, " Subnets:1 Vpcs:1")},
		} {
			time.Sleep(step.after)
			if got := observe(); got != "map["+step.want+"]" {
				t.Errorf("%v later: %s, want map[%s]", step.after, got, step.want)
			}
		}
	})
}
