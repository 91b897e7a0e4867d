package draw

// Web is the text of a small world of two VPCs, for tests that name what they look
// at.
const Web = `
vpc vpc-1 10.0.0.0/16 2001:db8:1::/56
vpc vpc-2 10.1.0.0/16
subnet subnet-1 vpc-1 10.0.1.0/24 2001:db8:1:1::/64 tags tier=web
subnet subnet-2 vpc-1 10.0.2.0/24
subnet subnet-9 vpc-2 10.1.1.0/24
group sg-web vpc-1 tags team=blue
  in  tcp 443 0.0.0.0/0
  in  tcp 22 10.0.0.0/8 desc "staff only"
  out all 0.0.0.0/0
group sg-db vpc-1
  in tcp 5432 sg-web
group sg-quarantine vpc-1 name tourniquet-quarantine
group sg-other vpc-2
acl acl-1 vpc-1 subnets subnet-1
  100 in  allow all 0.0.0.0/0
  100 out allow all 0.0.0.0/0
instance i-0aaaaaaaaaaaaaaa1 tags Name=web
instance i-0aaaaaaaaaaaaaaa2 type t2.micro state stopped
instance i-0aaaaaaaaaaaaaaa3 state terminated
interface eni-1 i-0aaaaaaaaaaaaaaa1 subnet-1 10.0.1.10 2001:db8:1:1::10 public 203.0.113.10 groups sg-web
interface eni-2 i-0aaaaaaaaaaaaaaa1 subnet-2 10.0.2.10 10.0.2.11 groups sg-web sg-db
interface eni-3 i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.30 groups sg-db
interface eni-free - subnet-2 groups sg-web
interface eni-lb - subnet-1 10.0.1.200 groups sg-web managed amazon-elb type network_load_balancer
interface eni-ecs i-0aaaaaaaaaaaaaaa2 subnet-1 10.0.1.31 groups sg-web unchangeable
`
