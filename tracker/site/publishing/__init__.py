"""What happens at a site, sent elsewhere: to a broker, a webhook, a stream; kept on disk while that is away."""
