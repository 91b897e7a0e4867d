package simvpc

import (
	"net/http"

	"tourniquet/lambda/simvpc/ec2"
	"tourniquet/lambda/simvpc/wire"
)

// services are those of one server. They share its world, its clock, its faults
// and its log.
type services struct {
	ec2 *ec2.Service
}

func (s services) all() []wire.Service { return []wire.Service{s.ec2} }

// read finds the service that an HTTP request is for, and the call that it makes.
func (s services) read(r *http.Request) (wire.Service, Call, error) {
	if err := r.ParseForm(); err != nil {
		return s.ec2, Call{}, err
	}
	c := Call{Op: r.Form.Get("Action"), RequestID: newRequestID(), Params: r.Form}
	op, _ := s.ec2.Operation(c.Op)
	c.Mutating = op.Mutating
	return s.ec2, c, nil
}
