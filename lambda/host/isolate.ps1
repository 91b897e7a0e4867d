# tourniquet-isolate: cut a compromised Windows host off the network, from the inside.
#
# THIS SCRIPT HAS NOT BEEN RUN. There was no Windows to run it on, nor a PowerShell:
# it is written after the documentation. Try it on an instance of your own first.
#
# The SSM agent runs it as SYSTEM. It prints the established connections with their
# processes, then blocks, in both directions and families, all but loopback, which
# the firewall does not filter, DHCP on the link, IPv6 neighbour discovery, the
# instance metadata service on port 80, and what SYSTEM needs for the SSM agent: TCP
# to port 443, and the resolver's DNS. A rule that blocks wins over every rule that
# allows, so nobody else's rule is touched, and an established connection meets it
# with its next packet.
# https://learn.microsoft.com/windows/win32/fwp/ale-re-authorization
# Programs that had a connection, other than the agent, are blocked by their file.
# The rules last until tourniquet-restore: a reboot does not lift them.
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$group = 'Tourniquet'
$result = [ordered]@{ version = 1; rules = 'none'; closed = 0; left = 0; truncated = $false; error = '' }

function Get-Word([string] $text) {
    $text = $text -replace '[^!-~]', '?'
    if ($text.Length -gt 80) { $text = $text.Substring(0, 80) }
    if ($text -eq '') { '-' } else { $text }
}

function Stop-WithResult([int] $status) {
    $result.error = ($result.error -replace '[^ -~]', ' ')
    if ($result.error.Length -gt 400) { $result.error = $result.error.Substring(0, 400) }
    Write-Output (ConvertTo-Json -InputObject $result -Compress)
    exit $status
}

# The agent is known by the path of its executable and by its user.
$agentFiles = @(
    (Join-Path $env:ProgramFiles 'Amazon\SSM\amazon-ssm-agent.exe'),
    (Join-Path $env:ProgramFiles 'Amazon\SSM\ssm-agent-worker.exe')
)
$loopback = '^(127\.|::1$|::ffff:127\.)'
$metadata = @('169.254.169.254', 'fd00:ec2::254')

function Get-Others {
    $own = @(Get-NetIPAddress | ForEach-Object { $_.IPAddress -replace '%.*$', '' })
    Get-NetTCPConnection -State Established, CloseWait, FinWait1, FinWait2 -ErrorAction SilentlyContinue | Where-Object {
        $_.RemoteAddress -notmatch $loopback -and $own -notcontains ($_.RemoteAddress -replace '%.*$', '') -and
        -not ($metadata -contains $_.RemoteAddress -and $_.RemotePort -eq 80)
    }
}

function Get-End([string] $address, [int] $port) {
    $address = $address -replace '%.*$', ''
    if ($address -match ':') { "[$address]:$port" } else { "${address}:$port" }
}

$clock = [Diagnostics.Stopwatch]::StartNew()
$written = 0
$failed = 0
$programs = @{} # that had connections, and are not the agent
try {
    $processes = @{}
    Get-CimInstance Win32_Process -OperationTimeoutSec 2 | ForEach-Object { $processes[[int] $_.ProcessId] = $_ }
    foreach ($c in Get-Others) {
        $process = $processes[[int] $c.OwningProcess]
        $file = [string] $process.ExecutablePath
        if ($agentFiles -contains $file) { continue }
        # The resolver and other services of Windows share svchost.exe.
        if ($file -and $file -notmatch '\\svchost\.exe$') { $programs[$file] = $true }
        if ($written -gt 20000 -or $clock.ElapsedMilliseconds -gt 1800) { $result.truncated = $true; continue }
        $line = 'tcp {0} {1} {2} {3} {4} {5}' -f (Get-End $c.LocalAddress $c.LocalPort), (Get-End $c.RemoteAddress $c.RemotePort),
            '-', $c.OwningProcess, (Get-Word $process.Name), (Get-Word $file)
        Write-Output $line
        $written += $line.Length + 2
    }
} catch {
    $result.error = "evidence: $_"
}

# Who may do what, as the firewall writes it: everybody but SYSTEM, and everybody but
# SYSTEM and the resolver, which is a service that runs as NETWORK SERVICE.
$notSystem = 'O:LSD:(D;;CC;;;SY)(A;;CC;;;WD)'
$notResolver = 'O:LSD:(D;;CC;;;SY)(D;;CC;;;NS)(A;;CC;;;WD)'
$elsewhere = @('0.0.0.0-169.254.169.253', '169.254.169.255-255.255.255.255',
    '::-fd00:ec2::253', 'fd00:ec2::255-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff')
$offLink = @('1.0.0.0-9.255.255.255', '11.0.0.0-100.63.255.255', '100.128.0.0-169.253.255.255',
    '169.255.0.0-172.15.255.255', '172.32.0.0-192.167.255.255', '192.169.0.0-223.255.255.255')
# Neighbour discovery is 133 to 136.
$icmp6 = @('1', '2', '3', '4', '128', '129', '130', '131', '132', '137', '138', '139', '140', '143')
# The numbers of protocols that carry data, beside TCP, UDP and ICMP.
$protocols = @(2, 4, 41, 47, 50, 51, 88, 89, 94, 97, 103, 108, 112, 115, 132, 136, 137)

function Get-Rules {
    @{ Direction = 'Inbound'; Protocol = 'TCP' }
    @{ Direction = 'Inbound'; Protocol = 'UDP'; LocalPort = @('0-67', '69-545', '547-65535') }
    @{ Direction = 'Outbound'; Protocol = 'TCP'; RemoteAddress = $elsewhere; RemotePort = @('0-442', '444-65535') }
    @{ Direction = 'Outbound'; Protocol = 'TCP'; RemoteAddress = $elsewhere; RemotePort = '443'; LocalUser = $notSystem }
    @{ Direction = 'Outbound'; Protocol = 'TCP'; RemoteAddress = $metadata; RemotePort = @('0-79', '81-65535') }
    @{ Direction = 'Outbound'; Protocol = 'UDP'; RemotePort = @('0-52', '54-66', '68-546', '548-65535') }
    @{ Direction = 'Outbound'; Protocol = 'UDP'; RemotePort = '53'; LocalUser = $notResolver }
    @{ Direction = 'Outbound'; Protocol = 'UDP'; RemotePort = '67'; RemoteAddress = $offLink }
    @{ Direction = 'Outbound'; Protocol = 'UDP'; RemotePort = '547'; RemoteAddress = '2000::/3' }
    foreach ($direction in 'Inbound', 'Outbound') {
        @{ Direction = $direction; Protocol = 'ICMPv4' }
        @{ Direction = $direction; Protocol = 'ICMPv6'; IcmpType = $icmp6 }
        foreach ($number in $protocols) { @{ Direction = $direction; Protocol = $number } }
    }
    foreach ($file in $programs.Keys) {
        @{ Direction = 'Outbound'; Program = $file }
        @{ Direction = 'Inbound'; Program = $file }
    }
}

try {
    $off = @(Get-NetFirewallProfile -PolicyStore ActiveStore | Where-Object { $_.Enabled -ne 'True' })
    if ($off.Count -gt 0) { throw "the firewall is off for the profiles $($off.Name -join ', ')" }
    # The new rules first, then the old ones go: there is never a moment without.
    $old = @(Get-NetFirewallRule -Group $group -ErrorAction SilentlyContinue)
    foreach ($rule in Get-Rules) {
        try {
            New-NetFirewallRule @rule -Name "tourniquet-$([guid]::NewGuid())" -DisplayName 'Tourniquet: isolated' `
                -Group $group -Profile Any -Action Block -Enabled True | Out-Null
            $result.rules = 'windows'
        } catch {
            $failed++
            $result.error = "$failed rules could not be set: $_"
        }
    }
    if ($failed -eq 0 -and $old.Count -gt 0) { $old | Remove-NetFirewallRule }
} catch {
    $result.error = "$_"
}
if ($result.rules -eq 'none' -or $failed -gt 0) { Stop-WithResult 1 }

# Windows has no command that closes a socket of another process. The next packet of
# each meets the rules.
foreach ($c in Get-Others) {
    $process = Get-Process -Id $c.OwningProcess -ErrorAction SilentlyContinue
    if ($agentFiles -notcontains [string] $process.Path) { $result.left++ }
}
Stop-WithResult 0
