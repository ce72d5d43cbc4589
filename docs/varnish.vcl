# Varnish 6.6 or newer in front of the shop. Start the shop with SHOP_CDN_SECONDS=300 SHOP_PURGE_URL=http://127.0.0.1:6081/ and
# SHOP_PROXIES counting this cache among the proxies.
vcl 4.1;

backend shop {
    .host = "127.0.0.1";
    .port = "8000";
}

# Who may tell it what to forget: the shop's worker.
acl shop_itself {
    "127.0.0.1";
    "::1";
}

sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ shop_itself) {
            return (synth(405, "Not from here"));
        }
        if (req.http.Surrogate-Key !~ "^[a-z0-9-]+( [a-z0-9-]+)*$") {
            return (synth(400, "Name surrogate keys"));
        }
        ban({"obj.http.Surrogate-Key ~ "(^| )("} + regsuball(req.http.Surrogate-Key, " ", "|") + {")( |$)""});
        return (synth(200, "Forgotten"));
    }
    # What is the same for every reader. Whoever they are is nobody's business there.
    if ((req.method == "GET" || req.method == "HEAD") && req.url ~ "^/(embed/|embed\.js|oembed|feeds/|sitemap|robots\.txt|media/|static/)") {
        unset req.http.Cookie;
        return (hash);
    }
    return (pass);
}

sub vcl_backend_response {
    # The shop says how long; what says nothing, or is somebody's own, is not kept.
    if (beresp.http.Set-Cookie || beresp.http.Cache-Control !~ "public") {
        set beresp.uncacheable = true;
        set beresp.ttl = 0s;
        return (deliver);
    }
    # Kept on beyond its time only to ask the shop whether it is still the same.
    set beresp.keep = 60s;
}

sub vcl_deliver {
    unset resp.http.Surrogate-Key;
    unset resp.http.Cache-Tag;
    if (obj.hits > 0) {
        set resp.http.X-Cache = "hit";
    } else {
        set resp.http.X-Cache = "miss";
    }
}
