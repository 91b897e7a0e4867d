package world

import "errors"

// checkMachines checks what instances have beside their network.
func (p *parser) checkMachines() error {
	var errs []error
	for _, i := range p.w.Instances {
		errs = append(errs, p.checkInstance(i))
	}
	for _, v := range p.w.Volumes {
		errs = append(errs, unique(p, p.w.Volumes, v, func(v *Volume) string { return v.ID }))
		if v.Instance != "" && p.w.Instance(v.Instance) == nil {
			errs = append(errs, p.at(v).errorf("instance", "%s is not declared", v.Instance))
		}
	}
	for _, e := range p.w.Addresses {
		errs = append(errs, unique(p, p.w.Addresses, e, func(e *ElasticIP) string { return e.Address.String() }))
	}
	for _, s := range p.w.Snapshots {
		errs = append(errs, unique(p, p.w.Snapshots, s, func(s *Snapshot) string { return s.ID }))
	}
	errs = append(errs, p.checkRoutes()...)
	return errors.Join(append(errs, p.checkScaling(), p.checkFlowLogs())...)
}

func (p *parser) checkScaling() error {
	var errs []error
	for _, g := range p.w.AutoScaling {
		errs = append(errs, unique(p, p.w.AutoScaling, g, func(g *AutoScalingGroup) string { return g.Name }))
		if g.Min > g.Desired || g.Desired > g.Max {
			errs = append(errs, p.at(g).errorf("desired", "%d is not between %d and %d", g.Desired, g.Min, g.Max))
		}
	}
	return errors.Join(errs...)
}

func (p *parser) checkFlowLogs() error {
	var errs []error
	for _, f := range p.w.FlowLogs {
		errs = append(errs, unique(p, p.w.FlowLogs, f, func(f *FlowLog) string { return f.ID }))
		if p.w.Interface(f.Resource) == nil && p.w.Subnet(f.Resource) == nil && p.w.VPC(f.Resource) == nil {
			errs = append(errs, p.at(f).errorf("resource", "%s is not declared", f.Resource))
		}
	}
	return errors.Join(errs...)
}

func (p *parser) checkInstance(i *Instance) error {
	if i.AutoScaling != "" && p.w.AutoScalingGroup(i.AutoScaling) == nil {
		return p.at(i).errorf("autoscaling", "%q is not declared", i.AutoScaling)
	}
	if i.HealthPort > 65535 {
		return p.at(i).errorf("health-port", "%d: want at most 65535", i.HealthPort)
	}
	if i.AutoScaling == "" && i.Lifecycle != "" {
		return p.at(i).errorf("lifecycle", "only of an instance in an Auto Scaling group")
	}
	return nil
}
